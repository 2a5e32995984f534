//! What a file declares and names.
use std::collections::BTreeSet;

use crate::paths::{self, Named};
use crate::source::Token;

/// A path that a file names, and the module that names it.
#[derive(Debug)]
pub struct Reference {
    /// The module: that of the file, or one written out in it.
    pub module: Vec<String>,
    /// What is named there.
    pub named: Named,
    /// Whether `use` names it, which gives it a name in the module.
    pub is_use: bool,
}

impl Reference {
    /// Returns true if the path begins at a name that an item or a `use` of the file gives to it.
    pub fn is_relative(&self) -> bool {
        !self.is_use && self.named.parts.first().is_none_or(|first| !is_keyword(first))
    }
}

/// What a file declares and names, without its tests.
#[derive(Default, Debug)]
pub struct Outline {
    /// The trees of `use`, and all paths that begin with `crate`, `super`, `self` or what may be a module's name.
    pub references: Vec<Reference>,
    /// The names of the items at the top of the file.
    pub items: BTreeSet<String>,
    /// The types declared outside of functions, with their lines.
    pub types: Vec<(usize, String)>,
}

/// What a brace that is open belongs to.
#[derive(PartialEq)]
enum Block {
    Module,
    Other,
}

/// Reads the tokens of the file of `module`.
pub fn outline(tokens: &[Token<'_>], module: &[String]) -> Outline {
    let mut outline = Outline::default();
    let (mut module, top) = (module.to_vec(), module.len());
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        let in_modules = blocks.iter().all(|block| *block == Block::Module);
        at += 1;
        if token.is("{") {
            blocks.push(Block::Other);
        } else if token.is("}") {
            if blocks.pop() == Some(Block::Module) {
                module.pop();
            }
        } else if token.is("use") && starts_item(before) {
            let (found, len) = paths::use_tree(&tokens[at..]);
            let reference = |named| Reference { module: module.clone(), named, is_use: true };
            outline.references.extend(found.into_iter().map(reference));
            at += len;
        } else if let Some(name) = declared(before, token, &tokens[at..]).filter(|_| in_modules) {
            if module.len() == top {
                outline.items.insert(name.text.to_string());
            }
            if matches!(token.text, "struct" | "enum" | "union" | "trait" | "type") {
                outline.types.push((name.line, name.text.to_string()));
            }
            if token.is("mod") && tokens.get(at + 1).is_some_and(|open| open.is("{")) {
                module.push(name.text.to_string());
                blocks.push(Block::Module);
                at += 1;
            }
            at += 1;
        } else if starts_path(token, before, tokens.get(at)) {
            let (parts, len) = paths::path(&tokens[at - 1..]);
            let named = Named { line: token.line, parts, alias: None, is_glob: false };
            outline.references.push(Reference { module: module.clone(), named, is_use: false });
            at += len - 1;
        }
    }
    outline
}

/// Returns true where `use` may be the keyword that imports, and not the one of precise capturing (`impl T + use<'a>`).
fn starts_item(before: Option<&Token<'_>>) -> bool {
    before.is_none_or(|before| !before.is("+"))
}

/// Returns the name that an item declares whose keyword is `keyword`.
fn declared<'t, 'a>(
    before: Option<&Token<'_>>,
    keyword: &Token<'_>,
    after: &'t [Token<'a>],
) -> Option<&'t Token<'a>> {
    const KEYWORDS: [&str; 9] = ["fn", "struct", "enum", "union", "trait", "type", "static", "const", "mod"];
    if keyword.is("macro_rules") {
        return after.get(1).filter(|name| name.is_word());
    }
    // `*const T` is a type.
    if !KEYWORDS.iter().any(|word| keyword.is(word)) || before.is_some_and(|before| before.is("*")) {
        return None;
    }
    let name = after.iter().find(|token| !token.is("mut"))?;
    // In `const fn` the second keyword declares.
    let follows = name.is_word() && !["fn", "unsafe", "extern", "async"].iter().any(|word| name.is(word));
    follows.then_some(name)
}

/// Returns true for the first part of a path that may lead through modules of this crate. `$crate` in a macro is this crate as
/// well. The name of a type begins with a capital: a path that begins there needs a `use`, which counts.
fn starts_path(token: &Token<'_>, before: Option<&Token<'_>>, after: Option<&Token<'_>>) -> bool {
    token.is_word()
        && token.text.starts_with(|letter: char| letter.is_lowercase() || letter == '_')
        && after.is_some_and(|after| after.is("::"))
        && before.is_none_or(|before| !before.is("::"))
}

fn is_keyword(word: &str) -> bool {
    ["crate", "super", "self"].contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tokens;

    fn named(source: &str) -> Vec<String> {
        let outline = outline(&tokens(source), &["a".into(), "b".into()]);
        let show =
            |found: &Reference| format!("{}: {}", found.module.join("::"), found.named.parts.join("::"));
        outline.references.iter().filter(|found| !found.is_relative()).map(show).collect()
    }

    #[test]
    fn paths_in_expressions_types_and_macros_count() {
        let source = "fn f(x: &crate::m::T) { super::g(self::h::<crate::k::V>()) } macro_rules! n { () => { $crate::o::P } }";
        assert_eq!(
            named(source),
            [
                "a::b: crate::m::T",
                "a::b: super::g",
                "a::b: self::h",
                "a::b: crate::k::V",
                "a::b: crate::o::P"
            ]
        );
    }

    #[test]
    fn other_crates_values_and_visibility_do_not() {
        assert_eq!(
            named("pub(crate) fn f(&self) { self.x; core::mem::swap(); other::crate_name::g() }"),
            Vec::<String>::new()
        );
        assert_eq!(named("// crate::a::b\nconst X: &str = \"crate::c::d\";"), Vec::<String>::new());
    }

    #[test]
    fn a_module_that_is_written_out_has_its_own_super() {
        assert_eq!(
            named("mod c { use super::d; fn f() { super::e() } } use super::g;"),
            ["a::b::c: super::d", "a::b::c: super::e", "a::b: super::g"]
        );
    }

    #[test]
    fn use_in_a_function_counts_and_captured_lifetimes_do_not() {
        assert_eq!(named("fn f() -> impl T + use<'a> { use crate::c::D; }"), ["a::b: crate::c::D"]);
    }

    #[test]
    fn types_are_those_of_modules_and_not_of_traits() {
        let source = "struct A; enum B {} impl X for A { type Target = u8; } trait C { type D; } fn f() { struct E; } mod m { union F {} }";
        let types = outline(&tokens(source), &[]).types;
        let names: Vec<_> = types.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["A", "B", "C", "F"]);
    }

    #[test]
    fn items_are_what_the_file_declares_at_its_top() {
        let items = outline(
            &tokens("const fn a() {} static mut B: *const u8 = x; macro_rules! c { } mod d { fn e() {} }"),
            &[],
        )
        .items;
        assert_eq!(items.into_iter().collect::<Vec<_>>(), ["B", "a", "c", "d"]);
    }
}
