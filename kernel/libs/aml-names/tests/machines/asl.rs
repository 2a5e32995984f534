//! Reads the text that `iasl -d` writes: devices, and how their objects are defined.
use std::collections::BTreeMap;

/// How the text defines an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Written {
    Integer(u64),
    /// A string, or the text of an EISA id.
    Text(String),
    Buffer,
    Package,
    Method,
    Other(String),
}

/// A device in the text.
#[derive(Default, Debug)]
pub struct Device {
    pub definitions: usize,
    pub is_conditional: bool,
    /// The first definition of each object, and whether it is in a condition.
    pub objects: BTreeMap<String, (Written, bool)>,
}

/// All objects' scopes by path. Those with `definitions` are devices.
pub type Namespace = BTreeMap<String, Device>;

struct Frame {
    scope: String,
    local: bool,
    any: bool,
}

/// Adds the content of a listing to the namespace.
pub fn read(text: &str, namespace: &mut Namespace) {
    let words = words(text);
    let mut at = words.iter().position(|word| word == "{").expect("a definition block") + 1;
    let root = Frame { scope: "\\".to_string(), local: false, any: false };
    let mut frames = vec![root];
    while let (Some(word), Some(frame)) = (words.get(at), frames.last()) {
        if word == "}" {
            frames.pop();
            at += 1;
            continue;
        }
        let is_call = words.get(at + 1).is_some_and(|next| next == "(");
        let (arguments, after) = if is_call { group(&words, at + 1) } else { (&[][..], at + 1) };
        let has_body = words.get(after).is_some_and(|next| next == "{");
        let name = arguments.first().map_or("", |name| &name[..]);
        let (scope, local, any) = (&frame.scope[..], frame.local, frame.any);
        at = after;
        match &word[..] {
            "Name" => {
                // An object of another scope exists only if all conditions hold.
                let local = if name.len() <= 4 && !name.contains(['\\', '^']) { local } else { any };
                add(namespace, &join(scope, name), value(&arguments[2..]), local);
            }
            "Method" => {
                add(namespace, &join(scope, name), Written::Method, local);
                at = group(&words, after).1;
            }
            "Scope" => {
                let scope = find(namespace, scope, name);
                frames.push(Frame { scope, local: any, any });
                at = after + 1;
            }
            "Device" if has_body => {
                let path = join(scope, name);
                let device = namespace.entry(path.clone()).or_default();
                device.definitions += 1;
                device.is_conditional = any;
                frames.push(Frame { scope: path, local: false, any });
                at = after + 1;
            }
            "Processor" | "ThermalZone" | "PowerResource" => {
                frames.push(Frame { scope: join(scope, name), local: false, any });
                at = after + 1;
            }
            "If" | "ElseIf" | "Else" | "While" if has_body => {
                frames.push(Frame { scope: scope.to_string(), local: true, any: true });
                at = after + 1;
            }
            // A field's list, for example.
            _ if has_body => at = group(&words, after).1,
            _ => {}
        }
    }
}

fn add(namespace: &mut Namespace, path: &str, written: Written, is_conditional: bool) {
    let (scope, name) = path.rsplit_once('.').unwrap_or(("\\", &path[1..]));
    let device = namespace.entry(scope.to_string()).or_default();
    device.objects.entry(name.to_string()).or_insert((written, is_conditional));
}

/// Returns the path of a name in a scope.
fn join(scope: &str, name: &str) -> String {
    if let Some(name) = name.strip_prefix('\\') {
        return format!("\\{name}");
    }
    let (mut scope, mut name) = (scope.to_string(), name);
    while let Some(rest) = name.strip_prefix('^') {
        scope = scope.rsplit_once('.').map_or("\\", |(parent, _)| parent).to_string();
        name = rest;
    }
    if scope == "\\" { format!("\\{name}") } else { format!("{scope}.{name}") }
}

/// Returns the path that `Scope` names.
fn find(namespace: &Namespace, scope: &str, name: &str) -> String {
    let mut around = scope.to_string();
    while !name.contains(['\\', '^', '.']) {
        let path = join(&around, name);
        if namespace.get(&path).is_some_and(|device| device.definitions > 0) {
            return path;
        }
        if around == "\\" {
            return if ["_SB", "_GPE", "_PR", "_SI", "_TZ"].contains(&name) {
                join("\\", name)
            } else {
                join(scope, name)
            };
        }
        around = join(&around, "^").trim_end_matches('.').to_string();
    }
    join(scope, name)
}

fn value(words: &[String]) -> Written {
    let first = words.first().map_or("", |word| &word[..]);
    match first {
        "Zero" => Written::Integer(0),
        "One" => Written::Integer(1),
        "Ones" => Written::Integer(u64::MAX),
        "EisaId" => Written::Text(words[2].trim_matches('"').to_string()),
        "Buffer" | "ResourceTemplate" | "ToUUID" | "Unicode" | "ToPLD" => Written::Buffer,
        "Package" => Written::Package,
        text if text.starts_with('"') => Written::Text(text.trim_matches('"').to_string()),
        number => match number.strip_prefix("0x") {
            Some(digits) => {
                u64::from_str_radix(digits, 16).map_or(Written::Other(first.to_string()), Written::Integer)
            }
            None => number.parse().map_or(Written::Other(first.to_string()), Written::Integer),
        },
    }
}

/// Returns the words between the bracket at `at` and the one that closes it, and the place after that.
fn group(words: &[String], at: usize) -> (&[String], usize) {
    let mut depth = 0;
    for (index, word) in words.iter().enumerate().skip(at) {
        match &word[..] {
            "(" | "{" => depth += 1,
            ")" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (&words[at + 1..index], index + 1);
        }
    }
    panic!("a bracket that nothing closes")
}

/// Returns the names, numbers, strings and marks of a text without its comments.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_\\^.".contains(c);
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => {
                let mut escaped = false;
                let end = rest.bytes().skip(1).position(|byte| {
                    let ends = byte == b'"' && !escaped;
                    escaped = byte == b'\\' && !escaped;
                    ends
                });
                end.map_or(rest.len(), |end| end + 2)
            }
            first if is_part(first) => rest.find(|c| !is_part(c)).unwrap_or(rest.len()),
            first => first.len_utf8(),
        };
        let (word, after) = rest.split_at(length);
        if !word.trim().is_empty() && !word.starts_with("//") && !word.starts_with("/*") {
            words.push(word.to_string());
        }
        rest = after;
    }
    words
}
