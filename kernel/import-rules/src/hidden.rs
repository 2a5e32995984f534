//! Rule 3: what only `arch` may write, and no arrows through the linker, which no import shows.
use crate::source::{self, Kind, Token};
use crate::tree::{File, Tree};
use crate::violation::Violation;

/// Returns machine code, the crate `x86_64` and linker names where they do not belong, and what hides from the other checks.
/// Tests count as well.
pub fn check(kernel: &Tree) -> Vec<Violation> {
    kernel.files.iter().flat_map(in_file).collect()
}

fn in_file(file: &File) -> Vec<Violation> {
    let tokens = source::tokens(&file.text);
    let folder = file.module.first().map_or("", String::as_str);
    let macros = macro_bodies(&tokens);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.is_word()) {
        let in_macro = || macros.iter().any(|body| body.contains(&at));
        let what = match token.text {
            word @ ("path" | "include") if brings_file(&tokens, at) => {
                format!("{word} brings a file from elsewhere, which no check sees: import what you use")
            }
            "extern" if starts_with(&tokens[at + 1..], &["crate", "self"]) => {
                "a second name for this crate, which no check sees: write crate".into()
            }
            _ if folder == "arch" => continue,
            word @ ("asm" | "global_asm" | "naked_asm") => format!("{word}! is for arch only"),
            "x86_64" => "the crate x86_64 is for arch only".into(),
            "link_section" if folder == "cpu" && in_macro() => continue,
            "link_section" => "link_section is for arch and the macros of cpu only: use cpu_local!".into(),
            word @ ("no_mangle" | "export_name") if folder != "exports" => {
                format!("{word} is for arch and exports only: import what you call")
            }
            "extern" if folder != "exports" && is_foreign(&tokens[at + 1..]) => {
                "foreign items are for arch and exports only: import what you call".into()
            }
            _ => continue,
        };
        found.push(Violation::new(&file.path, token.line, what));
    }
    found
}

/// Returns true for `path` in an attribute and for the macro `include`.
fn brings_file(tokens: &[Token<'_>], at: usize) -> bool {
    let (before, after) = (&tokens[..at], &tokens[at + 1..]);
    let is_in_attribute = before.last().is_some_and(|before| ["[", ","].iter().any(|mark| before.is(mark)))
        && starts_with(after, &["="])
        && after.get(1).is_some_and(|value| value.kind == Kind::Literal);
    if tokens[at].is("path") { is_in_attribute } else { starts_with(after, &["!"]) }
}

fn starts_with(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| token.is(word))
}

/// Returns true if `extern` begins a function with Rust's own ABI, or a block of items that the linker finds.
fn is_foreign(after: &[Token<'_>]) -> bool {
    let [abi, next, ..] = after else { return false };
    (abi.kind == Kind::Literal && abi.text.contains("\"Rust\""))
        || abi.is("{")
        || (abi.kind == Kind::Literal && next.is("{"))
}

/// Returns where the bodies of `macro_rules!` stand.
fn macro_bodies(tokens: &[Token<'_>]) -> Vec<std::ops::Range<usize>> {
    let starts = tokens.iter().enumerate().filter(|(_, token)| token.is("macro_rules")).map(|(at, _)| at);
    starts
        .map(|start| {
            let mut depth = 0;
            let end = tokens[start..].iter().position(|token| {
                match token.text {
                    "{" | "(" | "[" => depth += 1,
                    "}" | ")" | "]" => depth -= 1,
                    _ => return false,
                }
                depth == 0
            });
            start..end.map_or(tokens.len(), |len| start + len)
        })
        .collect()
}
