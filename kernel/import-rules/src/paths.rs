//! Reads the paths that source text names: the trees of `use`, and paths in expressions and types.
use crate::source::Token;

/// A path, as the source text has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// The line of its last part.
    pub line: usize,
    /// Its parts, such as `super`, `stack`, `Stack`. A glob is the path before its `*`.
    pub parts: Vec<String>,
    /// What the file calls it by: none for a glob and for `as _`.
    pub alias: Option<String>,
    /// Whether it brings everything that it contains.
    pub is_glob: bool,
}

/// Reads the tree of a `use`, which ends before its semicolon. Returns its paths and how many tokens they take.
pub fn use_tree(tokens: &[Token<'_>]) -> (Vec<Named>, usize) {
    let mut found = Vec::new();
    let len = branch(tokens, &[], &mut found);
    (found, len)
}

/// Reads one branch of a tree whose trunk is `trunk`.
fn branch(tokens: &[Token<'_>], trunk: &[String], found: &mut Vec<Named>) -> usize {
    let (mut parts, mut at) = (trunk.to_vec(), 0);
    while let Some(token) = tokens.get(at) {
        at += 1;
        if token.is("{") {
            return at + braces(&tokens[at..], &parts, found);
        } else if token.is("*") {
            found.push(Named { line: token.line, parts, alias: None, is_glob: true });
            return at;
        } else if token.is("::") || token.is("$") {
            // `$crate` in a macro is this crate.
            continue;
        }
        // `{self}` names the trunk.
        if !(token.is("self") && !parts.is_empty()) {
            parts.push(token.text.to_string());
        }
        if tokens.get(at).is_some_and(|next| next.is("::")) {
            continue;
        }
        let renamed = tokens.get(at).filter(|next| next.is("as")).and_then(|_| tokens.get(at + 1));
        let alias = renamed.map_or_else(|| parts.last().cloned(), |name| Some(name.text.to_string()));
        found.push(Named {
            line: token.line,
            parts,
            alias: alias.filter(|name| name != "_"),
            is_glob: false,
        });
        return if renamed.is_some() { at + 2 } else { at };
    }
    at
}

/// Reads branches up to and with the closing brace.
fn braces(tokens: &[Token<'_>], trunk: &[String], found: &mut Vec<Named>) -> usize {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.is("}") {
            return at + 1;
        } else if token.is(",") {
            at += 1;
        } else {
            at += branch(&tokens[at..], trunk, found);
        }
    }
    at
}

/// Reads a path at the start of `tokens`, such as `crate::a::B`. Returns its parts and how many tokens they take. Generic
/// arguments end it.
pub fn path(tokens: &[Token<'_>]) -> (Vec<String>, usize) {
    let (mut parts, mut at) = (Vec::new(), 0);
    while let Some(token) = tokens.get(at).filter(|token| token.is_word()) {
        parts.push(token.text.to_string());
        at += 1;
        match tokens.get(at..at + 2) {
            Some([colons, next]) if colons.is("::") && next.is_word() => at += 1,
            _ => break,
        }
    }
    (parts, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tokens;

    fn paths(tree: &str) -> Vec<String> {
        let tokens = tokens(tree);
        let (found, len) = use_tree(&tokens);
        assert_eq!(len, tokens.len(), "all of the tree is read");
        found
            .iter()
            .map(|named| {
                let alias = if named.is_glob { "*" } else { named.alias.as_deref().unwrap_or("_") };
                format!("{}:{} {alias}", named.line, named.parts.join("::"))
            })
            .collect()
    }

    #[test]
    fn a_tree_of_use_names_a_path_for_each_of_its_leaves() {
        assert_eq!(paths("crate::a::B"), ["1:crate::a::B B"]);
        assert_eq!(paths("crate::a::B as C"), ["1:crate::a::B C"]);
        assert_eq!(paths("crate::a::Trait as _"), ["1:crate::a::Trait _"]);
        assert_eq!(paths("super::super::a::*"), ["1:super::super::a *"]);
    }

    #[test]
    fn braces_share_the_path_before_them_at_any_depth() {
        assert_eq!(
            paths("crate::{\n a::{self, b::{C, D as E}},\n f::*,\n}"),
            ["2:crate::a a", "2:crate::a::b::C C", "2:crate::a::b::D E", "3:crate::f *"]
        );
        assert_eq!(paths("{crate::a, super::b}"), ["1:crate::a a", "1:super::b b"]);
    }

    #[test]
    fn a_path_ends_at_its_last_name() {
        let tokens = tokens("crate::a::B::<C>::new()");
        assert_eq!(path(&tokens), (vec!["crate".into(), "a".into(), "B".into()], 5));
    }
}
