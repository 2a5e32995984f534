//! Reads the collection of raw tables next to the repository, if it exists: files, and an index of their content.
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// A table of the collection.
pub struct Table {
    /// The file's name: the machine's name, `__`, the signature, and a suffix if there are several such tables.
    pub file: String,
    /// The signature in the index, as text.
    pub signature: String,
    /// The table.
    pub bytes: Vec<u8>,
    /// The content according to another decoder. The index has it as `key=value` or `key value`; a single word is a key
    /// with an empty value.
    pub holds: HashMap<String, String>,
}

impl Table {
    /// Returns the number under this key, or `None` if the index does not have it.
    pub fn number(&self, key: &str) -> Option<u64> {
        let text = self.holds.get(key)?;
        Some(text.parse().unwrap_or_else(|_| panic!("{}: {key}={text} is not a number", self.file)))
    }

    /// Returns the numbers in brackets under this key.
    pub fn numbers(&self, key: &str) -> Option<Vec<u32>> {
        let text = self.holds.get(key)?.trim_matches(['[', ']']);
        Some(
            text.split(", ")
                .filter(|word| !word.is_empty())
                .map(|word| word.parse().expect("a number"))
                .collect(),
        )
    }

    /// Returns the distances under the key `m`, row by row.
    pub fn matrix(&self) -> Option<Vec<u8>> {
        let text = self.holds.get("m")?;
        Some(text.split([',', '/']).map(|word| word.parse().expect("a distance")).collect())
    }
}

/// Returns all tables of the collection. Prints how many there are, or that there is no collection.
pub fn read() -> Vec<Table> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared/tables"));
    let mut tables = Vec::new();
    for folder in ["qemu", "real"] {
        let Ok(index) = fs::read_to_string(root.join(folder).join("index.tsv")) else { continue };
        let lines = index.lines().skip(1);
        tables.extend(lines.map(|line| read_table(&root.join(folder), line)));
    }
    if tables.is_empty() {
        println!("tables: read 0, skipped: there is no ../shared/tables");
    } else {
        println!("tables: read {}", tables.len());
    }
    tables
}

/// Returns the table of one index line: file, source, signature, length, content, …
fn read_table(folder: &Path, line: &str) -> Table {
    let columns: Vec<&str> = line.split('\t').collect();
    let (file, signature) = (columns[0].to_string(), columns[2].to_string());
    let bytes = fs::read(folder.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert_eq!(columns[3], bytes.len().to_string(), "{file}: its length is not the index's");
    let words = columns[4].split("; ").map(|word| word.split_once(['=', ' ']).unwrap_or((word, "")));
    let holds = words.map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Table { file, signature, bytes, holds }
}
