//! Builds the header's text: a title for each family of functions, and the declarations that cbindgen reads from its file.
use crate::layout;
use cbindgen::{
    Config, DocumentationLength, DocumentationStyle, ExportConfig, FunctionConfig, Language, Layout, Style,
};
use std::path::Path;

/// The families in the header's order: the title, and the file of `ddk/abi/src` that defines it.
const FAMILIES: [(&str, &str); 14] = [
    ("The driver itself", "driver.rs"),
    ("NUMA", "numa.rs"),
    ("Memory: pages and the heap", "memory.rs"),
    ("Memory of each CPU", "per_cpu.rs"),
    ("CPUs", "cpu.rs"),
    ("Threads", "thread.rs"),
    ("Devices", "device.rs"),
    ("DMA", "dma.rs"),
    ("Interrupts of devices", "interrupt.rs"),
    ("Waiting at an address", "wait.rs"),
    ("Time and timers", "time.rs"),
    ("Log", "log.rs"),
    ("Block devices", "block.rs"),
    ("Drivers and each other", "life.rs"),
];

const BEGINNING: &str = "\
/*
 * The driver ABI of Proxima: the functions that a driver may call, and those that it defines.
 *
 * Generated from ddk/abi by `cargo run -p header`. Do not edit.
 *
 * Nodes and CPUs are dense indices from 0. An address is in bytes; 0 means none. A structure that a driver fills begins
 * with Size, which the driver sets to sizeof. Nothing that a driver passes faults the kernel: a pointer that is null,
 * misaligned or not mapped, an index out of range and an invalid value are refused as each function's text says.
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

/// The table of a driver's devices, which has no length that Rust could declare. It follows the family in this file.
const DEVICE_TABLE: (&str, &str) = (
    "device.rs",
    "
// The devices that the driver wants. A driver may define this table. It ends with an element of Size 0. The kernel reads it
// before any code of the driver runs, and then calls Driver_AddDevice for the devices that match. Flags and the bytes
// behind the known part of an element are 0; all elements have the same Size.
extern const DeviceMatch Driver_Devices[];
",
);

/// Returns the whole header, generated from the files in the folder `source`.
///
/// # Errors
/// A message that names the file that cannot be read or parsed.
pub fn generate(source: &Path) -> Result<String, String> {
    let mut text = BEGINNING.to_owned();
    for (title, file) in FAMILIES {
        text += &format!("\n/* ---- {title} ---- */\n\n");
        text += &family(&source.join(file))?;
        if file == DEVICE_TABLE.0 {
            text += DEVICE_TABLE.1;
        }
    }
    text += "\n/* ---- The layout of the structures in the kernel ---- */\n\n";
    text += &layout::assertions();
    text += END;
    Ok(text)
}

/// Returns the declarations and comments of one file, in C.
fn family(file: &Path) -> Result<String, String> {
    let bindings = cbindgen::Builder::new()
        .with_src(file)
        .with_config(config())
        .generate()
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text).map_err(|error| format!("{}: {error}", file.display()))?;
    // Backticks mark code in Rust's comments, and a backslash what is no link; C has no such marks.
    Ok(without_tags(&text.trim().replace(['`', '\\'], "")))
}

/// Returns the text with structures named by their types. Only a structure that points at itself needs its tag.
fn without_tags(text: &str) -> String {
    let mut inside = "";
    let mut result = String::new();
    for line in text.lines() {
        if line.starts_with('}') {
            inside = "";
        }
        if let Some(rest) = line.strip_prefix("typedef struct ") {
            inside = rest.trim_end_matches(" {");
            result += line;
        } else if !inside.is_empty() && line.contains(&format!("struct {inside} *")) {
            result += line;
        } else {
            result += &line.replace("struct ", "");
        }
        result += "\n";
    }
    result
}

fn config() -> Config {
    Config {
        language: Language::C,
        // A structure may point at itself, so it has a tag.
        style: Style::Both,
        no_includes: true,
        usize_is_size_t: true,
        documentation_style: DocumentationStyle::C99,
        documentation_length: DocumentationLength::Full,
        function: FunctionConfig { args: Layout::Horizontal, ..FunctionConfig::default() },
        tab_width: 4,
        export: ExportConfig {
            // No function of its own file uses it.
            include: vec!["DmaSegment".to_owned()],
            // The loader uses these types; drivers do not.
            exclude: ["DriverInit", "DriverExit", "DriverAddDevice"].map(str::to_owned).into(),
            ..ExportConfig::default()
        },
        ..Config::default()
    }
}
