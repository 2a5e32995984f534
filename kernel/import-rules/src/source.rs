//! Cuts Rust source text into tokens; comments are left out.

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An identifier, a keyword or a number.
    Word,
    /// A string or character, with its quotes and prefix, or a lifetime.
    Literal,
    /// `::`, or any other character by itself.
    Mark,
}

/// A piece of source text.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// Where it begins, counted from 1.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
    /// Its letters.
    pub text: &'a str,
}

impl Token<'_> {
    /// Returns true for a word or mark with this text. A string is never equal to the text in it.
    pub fn is(&self, text: &str) -> bool {
        self.kind != Kind::Literal && self.text == text
    }

    /// Returns true for an identifier, keyword or number.
    pub fn is_word(&self) -> bool {
        self.kind == Kind::Word
    }
}

/// Returns the tokens of a source text. Text that no Rust compiler accepts gives some tokens, and never a panic.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut rest, mut line) = (Vec::new(), source, 1);
    while let Some(first) = rest.chars().next() {
        let (kind, len) = if first.is_whitespace() {
            (None, first.len_utf8())
        } else if let Some(len) = comment(rest) {
            (None, len)
        } else if let Some(len) = literal(rest) {
            (Some(Kind::Literal), len)
        } else if let Some(len) = word(rest) {
            (Some(Kind::Word), len)
        } else {
            (Some(Kind::Mark), if rest.starts_with("::") { 2 } else { first.len_utf8() })
        };
        let (text, after) = rest.split_at(len);
        if let Some(kind) = kind {
            tokens.push(Token {
                line,
                kind,
                text: text.strip_prefix("r#").filter(|_| kind == Kind::Word).unwrap_or(text),
            });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

/// Returns the length of the comment that `rest` begins with. A comment between `/*` and `*/` may hold others.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth > 0 => (depth, at) = (depth - 1, at + 2),
            _ if depth > 0 => at += 1,
            _ => return None,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    Some(rest.len())
}

/// Returns the length of the string, character or lifetime that `rest` begins with.
fn literal(rest: &str) -> Option<usize> {
    let (prefix, body) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_alphabetic())?);
    let len = match (prefix, body.chars().next()?) {
        ("" | "b" | "c", '"') => escaped(body, '"'),
        ("" | "b", '\'') => character(body),
        ("r" | "br" | "cr", '"' | '#') => raw(body)?,
        _ => return None,
    };
    Some(prefix.len() + len)
}

/// Returns the length up to and with the closing quote; a backslash takes away the next letter's meaning.
fn escaped(body: &str, quote: char) -> usize {
    let mut letters = body.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        if letter == quote {
            return at + 1;
        }
        if letter == '\\' {
            letters.next();
        }
    }
    body.len()
}

/// Returns the length of a character, `'x'` or `'\n'`, or else of a lifetime, `'a`.
fn character(body: &str) -> usize {
    let mut letters = body.chars().skip(1);
    match (letters.next(), letters.next()) {
        (Some('\\'), _) => escaped(body, '\''),
        (Some(letter), Some('\'')) => letter.len_utf8() + 2,
        _ => 1 + word(&body[1..]).unwrap_or(0),
    }
}

/// Returns the length of a raw string, from its first `#` or quote; none for a raw identifier (`r#type`).
fn raw(body: &str) -> Option<usize> {
    let (fence, text) = body.split_at(body.find(|letter| letter != '#')?);
    let text = text.strip_prefix('"')?;
    let end = format!("\"{fence}");
    let len = text.find(&end).map_or(text.len(), |at| at + end.len());
    Some(fence.len() + 1 + len)
}

/// Returns the length of the word that `rest` begins with.
fn word(rest: &str) -> Option<usize> {
    let start = if rest.starts_with("r#") { 2 } else { 0 };
    let letters = rest[start..].find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let len = start + letters.unwrap_or(rest.len() - start);
    (len > start).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        tokens(source).iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_are_left_out_nested_ones_as_well() {
        assert_eq!(texts("a /* b /* c */ d */ e // f\ng"), ["a", "e", "g"]);
        assert_eq!(texts("a / b"), ["a", "/", "b"]);
        assert_eq!(texts("a /* never closed"), ["a"]);
    }

    #[test]
    fn a_string_is_one_literal_whatever_it_holds() {
        assert_eq!(
            texts(r#"f("// \" x", b"y", c"z")"#),
            ["f", "(", r#""// \" x""#, ",", "b\"y\"", ",", "c\"z\"", ")"]
        );
        assert_eq!(texts("r#\"a \" b\"# br\"c\" r#type"), ["r#\"a \" b\"#", "br\"c\"", "type"]);
        assert!(tokens("\"asm\"").iter().all(|token| !token.is("asm") && !token.is("\"asm\"")));
    }

    #[test]
    fn a_quote_begins_a_character_or_a_lifetime() {
        assert_eq!(texts(r"'{' '\'' b'\n' '\u{7f}' 'ä'"), ["'{'", r"'\''", r"b'\n'", r"'\u{7f}'", "'ä'"]);
        assert_eq!(texts("&'a str, 'static"), ["&", "'a", "str", ",", "'static"]);
    }

    #[test]
    fn each_token_knows_its_line() {
        let lines: Vec<_> = tokens("a\n\"b\n\" /*\n*/ c\n::d").iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 2, 4, 5, 5]);
    }
}
