//! The collection of raw tables beside the repository, where there is one: files, and an index of what each holds.
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// A table of the collection.
pub struct Table {
    /// The file's name: the machine's, `__`, the signature and what tells several such tables apart.
    pub file: String,
    /// The signature in the index, as text.
    pub signature: String,
    /// The table.
    pub bytes: Vec<u8>,
    /// What it holds, as somebody else's decoder sees it: `key=value` or
    /// `key value`, and words alone with an empty value.
    pub holds: HashMap<String, String>,
}

impl Table {
    /// The number under this key; `None` where the index does not tell.
    pub fn number(&self, key: &str) -> Option<u64> {
        let text = self.holds.get(key)?;
        Some(text.parse().unwrap_or_else(|_| panic!("{}: {key}={text} is not a number", self.file)))
    }

    /// The numbers in brackets under this key.
    pub fn numbers(&self, key: &str) -> Option<Vec<u32>> {
        let text = self.holds.get(key)?.trim_matches(['[', ']']);
        Some(
            text.split(", ")
                .filter(|word| !word.is_empty())
                .map(|word| word.parse().expect("a number"))
                .collect(),
        )
    }

    /// The distances under `m`, row by row.
    pub fn matrix(&self) -> Option<Vec<u8>> {
        let text = self.holds.get("m")?;
        Some(text.split([',', '/']).map(|word| word.parse().expect("a distance")).collect())
    }
}

/// All tables of the collection. Says how many they are, or that there is no collection.
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

/// The table of one line: file, source, signature, length, what it holds, …
fn read_table(folder: &Path, line: &str) -> Table {
    let columns: Vec<&str> = line.split('\t').collect();
    let (file, signature) = (columns[0].to_string(), columns[2].to_string());
    let bytes = fs::read(folder.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert_eq!(columns[3], bytes.len().to_string(), "{file}: its length is not the index's");
    let words = columns[4].split("; ").map(|word| word.split_once(['=', ' ']).unwrap_or((word, "")));
    let holds = words.map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Table { file, signature, bytes, holds }
}
