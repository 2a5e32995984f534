//! The header's text: what cbindgen reads out of each family's file, under that family's title.
use crate::layout;
use cbindgen::{
    Config, DocumentationLength, DocumentationStyle, ExportConfig, FunctionConfig, Language, Layout, Style,
};
use std::path::Path;

/// The families in the header's order: a title, and the file of `ddk/abi/src` that defines it.
const FAMILIES: [(&str, &str); 6] = [
    ("The driver itself", "driver.rs"),
    ("NUMA", "numa.rs"),
    ("Memory: pages and the heap", "memory.rs"),
    ("CPUs", "cpu.rs"),
    ("Threads", "thread.rs"),
    ("Log", "log.rs"),
];

const BEGINNING: &str = "\
/*
 * The driver ABI of Proxima: all that a driver may call, and what it defines.
 *
 * Generated from ddk/abi by `cargo run -p header`. Do not edit.
 *
 * Nodes and CPUs are dense indices from 0. An address is in bytes; 0 means none. A structure that a driver fills starts
 * with Size, set by the driver to sizeof. Nothing that a driver passes faults the kernel: a pointer that is null,
 * misaligned or not mapped, an index out of range or a value without a meaning is refused as each function says.
 */
#ifndef PROXIMA_H
#define PROXIMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern \"C\" {
#endif
";

const END: &str = "
#ifdef __cplusplus
}
#endif

#endif /* PROXIMA_H */
";

/// The whole header, from the files in `source`.
pub fn generate(source: &Path) -> Result<String, String> {
    let mut text = BEGINNING.to_owned();
    for (title, file) in FAMILIES {
        text += &format!("\n/* ---- {title} ---- */\n\n");
        text += &family(&source.join(file))?;
    }
    text += "\n/* ---- The structures' layout, as the kernel has it ---- */\n\n";
    text += &layout::assertions();
    text += END;
    Ok(text)
}

fn family(file: &Path) -> Result<String, String> {
    let bindings = cbindgen::Builder::new()
        .with_src(file)
        .with_config(config())
        .generate()
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text).map_err(|error| format!("{}: {error}", file.display()))?;
    // What marks code in Rust's comments is noise in C's.
    Ok(text.trim().replace('`', "") + "\n")
}

fn config() -> Config {
    Config {
        language: Language::C,
        style: Style::Type,
        no_includes: true,
        usize_is_size_t: true,
        documentation_style: DocumentationStyle::C99,
        documentation_length: DocumentationLength::Full,
        function: FunctionConfig { args: Layout::Horizontal, ..FunctionConfig::default() },
        tab_width: 4,
        export: ExportConfig {
            // For the loader, not for drivers.
            exclude: vec!["DriverInit".to_owned(), "DriverExit".to_owned()],
            ..ExportConfig::default()
        },
        ..Config::default()
    }
}
