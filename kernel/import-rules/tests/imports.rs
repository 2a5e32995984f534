//! Reads every `use` and every `crate::` path of `kernel/src`, and refuses what the table in `docs/architecture.md` does not
//! allow.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    std::env::var_os("PROXIMA_ROOT")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), PathBuf::from)
}

/// The table: a folder, and the folders that it may import. It stands between two marks, one folder a line.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let (_, rest) = text.split_once("```imports\n").expect("the block of allowed imports");
    let (block, _) = rest.split_once("```").unwrap();
    block
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(folder, may)| {
            (folder.trim().to_string(), may.split_whitespace().map(str::to_string).collect())
        })
        .collect()
}

/// The text with comments and strings blanked out; line ends stay.
fn code_only(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '"' {
            let mut end = 1;
            let bytes = rest.as_bytes();
            while bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            end + 1
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        out.extend(rest[..skip].chars().filter(|&c| c == '\n'));
        rest = &rest[skip..];
    }
    out
}

/// The paths that a tree of `use` names, braces resolved.
fn paths(tree: &str) -> Vec<String> {
    let tree: String = tree.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((head, body)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap().replace(' ', "")];
    };
    let body = body.rsplit_once('}').map_or(body, |(body, _)| body);
    let (mut depth, mut part, mut parts) = (0, String::new(), Vec::new());
    for letter in body.chars() {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        if letter == ',' && depth == 0 {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(letter);
        }
    }
    parts.push(part);
    let full = |part: &String| {
        paths(part).into_iter().map(|path| format!("{}{path}", head.trim())).collect::<Vec<_>>()
    };
    parts.iter().filter(|part| !part.trim().is_empty()).flat_map(full).collect()
}

/// What a file names of its own crate: line, and path from the crate's root.
fn imports(text: &str, module: &[String]) -> Vec<(usize, Vec<String>)> {
    let code = code_only(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let before = &code[..at];
        if before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
            continue;
        }
        let in_use = before.trim_end().ends_with("use");
        let end = code[at..]
            .find(|c: char| if in_use { c == ';' } else { !(c.is_alphanumeric() || c == '_' || c == ':') });
        let tree = &code[at..at + end.unwrap_or(code.len() - at)];
        let line = before.matches('\n').count() + 1;
        for path in paths(tree) {
            let mut place = module.to_vec();
            let mut parts = path.split("::").map(str::to_string).peekable();
            while let Some(step) = parts.next_if(|part| part == "super" || part == "crate") {
                if step == "crate" {
                    place.clear()
                } else {
                    place.pop();
                }
            }
            place.extend(parts);
            found.push((line, place));
        }
    }
    found
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files(&entry, out)
        } else if entry.extension().is_some_and(|e| e == "rs") {
            out.push(entry)
        }
    }
}

fn module_of(file: &Path) -> Vec<String> {
    let mut parts: Vec<_> =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "main") {
        parts.pop();
    }
    parts
}

#[test]
fn every_import_goes_down() {
    let (allowed, source) = (allowed(), root().join("kernel/src"));
    let mut all = Vec::new();
    files(&source, &mut all);
    all.sort();
    let mut wrong = Vec::new();
    for file in &all {
        let name = file.strip_prefix(&source).unwrap();
        let module = module_of(name);
        let Some(folder) = module.first() else { continue };
        let Some(may) = allowed.get(folder) else {
            wrong.push(format!("{}: the folder {folder} is not in the table", name.display()));
            continue;
        };
        let text = fs::read_to_string(file).unwrap();
        for (line, path) in imports(&text, &module) {
            let Some(target) = path.first() else { continue };
            if target != folder && !may.contains(target) {
                wrong.push(format!("{}:{line}: {folder} may not import {}", name.display(), path.join("::")));
            }
        }
        if folder != "arch" {
            let code = code_only(&text);
            for word in ["asm!", "x86_64::", "no_mangle", "export_name", "extern \"Rust\""] {
                if code.contains(word) {
                    wrong.push(format!("{}: {word} is for arch only", name.display()))
                }
            }
        }
    }
    // No folder reaches itself: rows only name rows above them, so the table itself has no circle.
    let mut seen = BTreeSet::new();
    let order = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    for row in order.split_once("```imports\n").unwrap().1.split("```").next().unwrap().lines() {
        let (folder, may) = row.split_once(':').unwrap();
        for target in may.split_whitespace() {
            if !seen.contains(target) {
                wrong.push(format!("the table: {folder} names {target}, which stands above it"))
            }
        }
        seen.insert(folder.trim());
    }
    assert!(wrong.is_empty(), "{} wrong imports:\n{}", wrong.len(), wrong.join("\n"));
}
