//! Takes out what only tests compile: items under `#[cfg(test)]`.
use crate::source::Token;

/// A source text without its tests.
pub struct WithoutTests<'a> {
    /// The tokens that are left.
    pub tokens: Vec<Token<'a>>,
    /// The modules of files of their own that only tests compile.
    pub modules: Vec<&'a str>,
}

/// Takes the items under `#[cfg(test)]`, or under `test` and further conditions, out of `tokens`. What `any(test, …)` or
/// `not(test)` lets through is no test.
pub fn without_tests<'a>(tokens: &[Token<'a>]) -> WithoutTests<'a> {
    let (mut kept, mut modules, mut rest) = (Vec::new(), Vec::new(), tokens);
    while let [first, after @ ..] = rest {
        let Some(len) = test_attribute(rest) else {
            kept.push(*first);
            rest = after;
            continue;
        };
        let (item, after) = rest[len..].split_at(item_len(&rest[len..]));
        if let Some([_, name, end]) = item.windows(3).find(|words| words[0].is("mod"))
            && end.is(";")
        {
            modules.push(name.text);
        }
        rest = after;
    }
    WithoutTests { tokens: kept, modules }
}

/// Returns the length of the attribute that `rest` begins with, if it is one for tests only.
fn test_attribute(rest: &[Token<'_>]) -> Option<usize> {
    let [mark, open, cfg, ..] = rest else { return None };
    if !(mark.is("#") && open.is("[") && cfg.is("cfg")) {
        return None;
    }
    let len = rest.iter().position(|token| token.is("]"))? + 1;
    let has = |word| rest[..len].iter().any(|token| token.is(word));
    (has("test") && !has("not") && !has("any")).then_some(len)
}

/// Returns how many tokens the item at the start takes, with its other attributes.
fn item_len(rest: &[Token<'_>]) -> usize {
    let mut depth = 0;
    for (at, token) in rest.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return at;
        }
        if depth == 0 && (token.is("}") || token.is(";")) {
            return at + 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tokens;

    fn left(source: &str) -> (String, Vec<&str>) {
        let tokens = tokens(source);
        let without = without_tests(&tokens);
        (without.tokens.iter().map(|token| token.text).collect::<Vec<_>>().join(" "), without.modules)
    }

    #[test]
    fn a_module_of_tests_goes_with_all_that_it_holds() {
        let source = "a; #[cfg(test)] mod tests { use super::x; fn f() { '}'; \"}\" } } b;";
        assert_eq!(left(source), ("a ; b ;".into(), vec![]));
    }

    #[test]
    fn a_file_of_tests_is_named() {
        assert_eq!(
            left("#[cfg(all(test, loom))]\n#[rustfmt::skip]\nmod models; a"),
            ("a".into(), vec!["models"])
        );
    }

    #[test]
    fn what_is_compiled_without_tests_stays() {
        assert_eq!(left("#[cfg(not(test))] mod a; #[cfg(loom)] mod b;").1, Vec::<&str>::new());
        assert_eq!(left("#[cfg(any(test, loom))] mod a;").1, Vec::<&str>::new());
        assert!(left("#[cfg(not(test))] mod a;").0.ends_with("mod a ;"));
    }

    #[test]
    fn the_last_item_of_a_module_may_lack_its_end() {
        assert_eq!(left("enum E { A, #[cfg(test)] B } c").0, "enum E { A , } c");
    }
}
