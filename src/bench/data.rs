//! Configuration to measure with: generated folder trees, and values that never repeat.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::BenchError;

/// How the documents of a project are spread over folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// 100 folders that each hold 100 folders with one document.
    Nested,
    /// 10,000 folders at the root with one document each: the costly case, since each commit names them all.
    Flat,
}

impl Layout {
    /// As it is named in the report.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Nested => "100 x 100 folders",
            Layout::Flat => "10,000 folders at the root",
        }
    }

    fn folder(self, document: usize) -> String {
        match self {
            Layout::Nested => format!("team-{:02}/svc-{:02}", document / 100, document % 100),
            Layout::Flat => format!("svc-{document:05}"),
        }
    }
}

/// Keys of one document.
pub const KEYS_PER_DOCUMENT: usize = 10;

/// A project of equal documents, and at will one large document beside them.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// How documents are spread.
    pub layout: Layout,
    /// How many documents of ten entries.
    pub documents: usize,
    /// Bytes of each value.
    pub value_bytes: usize,
    /// Entries of the large document `large/document`; 0 for none.
    pub large_entries: usize,
    /// Whether there are twenty environments and a thousand schema rules.
    pub is_demanding: bool,
    /// Whether every other value holds a reference to a variable, and comes to as many bytes as the others.
    pub refers: bool,
}

/// How many environments inherit from `base` in a demanding project, and which share of the entries each overrides.
const HEIRS: usize = 19;
const ENTRIES_PER_OVERRIDE: usize = 100;

impl Shape {
    /// A shape with so many entries in documents of ten.
    pub fn new(layout: Layout, entries: usize, value_bytes: usize) -> Self {
        Shape {
            layout,
            documents: entries / KEYS_PER_DOCUMENT,
            value_bytes,
            large_entries: 0,
            is_demanding: false,
            refers: false,
        }
    }

    /// Entries in the documents of ten.
    pub fn entries(&self) -> usize {
        self.documents * KEYS_PER_DOCUMENT
    }

    /// The path of one of them.
    pub fn path(&self, entry: usize) -> String {
        let folder = self.layout.folder(entry / KEYS_PER_DOCUMENT);
        format!("/{folder}/config/key-{}", entry % KEYS_PER_DOCUMENT)
    }

    /// Whether an entry of a project with references holds one.
    pub fn holds_reference(entry: usize) -> bool {
        entry % KEYS_PER_DOCUMENT % 2 == 1
    }

    /// The environments of a demanding project.
    pub fn environments() -> impl Iterator<Item = String> {
        std::iter::once("base".to_owned()).chain((0..HEIRS).map(|heir| format!("heir-{heir}")))
    }

    /// An entry that no environment of a demanding project overrides, and that holds no reference.
    pub fn inherited_entry(&self, dice: &mut Values) -> usize {
        loop {
            let entry = dice.index(self.entries());
            if (entry / KEYS_PER_DOCUMENT) % ENTRIES_PER_OVERRIDE >= HEIRS && !Shape::holds_reference(entry) {
                return entry;
            }
        }
    }

    /// The path of an entry of the large document.
    pub fn large_path(&self, entry: usize) -> String {
        format!("/large/document/key-{entry:05}")
    }

    /// Writes the tree that `confgit init --from` reads: `meta/settings.yaml` and the environment `base`.
    pub fn write_tree(&self, root: &Path) -> Result<(), BenchError> {
        let failed = || BenchError::io(format!("writing the test data to {}", root.display()));
        let meta = root.join("meta");
        fs::create_dir_all(&meta).map_err(failed())?;
        let mut settings = SETTINGS.to_owned();
        if self.is_demanding {
            let heirs =
                (0..HEIRS).map(|heir| format!("  heir-{heir}: {{ branch: heir-{heir}, inherits: base }}\n"));
            settings.extend(heirs);
            self.write_demands(root).map_err(failed())?;
        }
        fs::write(meta.join("settings.yaml"), settings).map_err(failed())?;
        let base = root.join("base");
        let mut values = Values::new(1);
        for document in 0..self.documents {
            let folder = base.join(self.layout.folder(document));
            fs::create_dir_all(&folder).map_err(failed())?;
            let keys = (0..KEYS_PER_DOCUMENT).map(|key| format!("key-{key}"));
            let text = if self.refers {
                self.document_with_references(keys, &mut values)
            } else {
                self.document(keys, &mut values)
            };
            fs::write(folder.join("config.yaml"), text).map_err(failed())?;
        }
        if self.refers {
            let folder = base.join(".confgit");
            fs::create_dir_all(&folder).map_err(failed())?;
            fs::write(folder.join("variables.yaml"), format!("END: {END}\n")).map_err(failed())?;
        }
        if self.large_entries > 0 {
            fs::create_dir_all(base.join("large")).map_err(failed())?;
            let keys = (0..self.large_entries).map(|key| format!("key-{key:05}"));
            fs::write(base.join("large/document.yaml"), self.document(keys, &mut values)).map_err(failed())?;
        }
        Ok(())
    }

    /// Overrides in each heir, and rules of which each covers ten documents of the nested layout.
    fn write_demands(&self, root: &Path) -> std::io::Result<()> {
        let mut values = Values::new(2);
        for heir in 0..HEIRS {
            for document in
                (heir..self.documents).step_by(ENTRIES_PER_OVERRIDE / KEYS_PER_DOCUMENT * KEYS_PER_DOCUMENT)
            {
                let folder = root.join(format!("heir-{heir}")).join(self.layout.folder(document));
                fs::create_dir_all(&folder)?;
                let keys = (0..KEYS_PER_DOCUMENT).map(|key| format!("key-{key}"));
                fs::write(folder.join("config.yaml"), self.document(keys, &mut values))?;
            }
        }
        let mut rules = String::new();
        for rule in 0..1_000 {
            let (team, tens) = (rule / 10, rule % 10);
            rules.push_str(&format!(
                "rule-{rule}:\n  paths: [\"/team-{team:02}/svc-{tens}?/config\"]\n  schema:\n    type: object\n    \
                 required: [key-0]\n    additionalProperties: {{type: string, maxLength: 1000}}\n"
            ));
        }
        let folder = root.join("base/.confgit");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("schemas.yaml"), rules)
    }

    /// Every other value ends with a variable.
    fn document_with_references(&self, keys: impl Iterator<Item = String>, values: &mut Values) -> Vec<u8> {
        let mut text = b"# Written by confgit bench.\n".to_vec();
        for (index, key) in keys.enumerate() {
            // Writing to a Vec cannot fail.
            let _ = if Shape::holds_reference(index) {
                let bytes = self.value_bytes.saturating_sub(END.len());
                writeln!(text, "{key}: {}${{END}}", values.next(bytes))
            } else {
                writeln!(text, "{key}: {}", values.next(self.value_bytes))
            };
        }
        text
    }

    fn document(&self, keys: impl Iterator<Item = String>, values: &mut Values) -> Vec<u8> {
        let mut text = b"# Written by confgit bench.\n".to_vec();
        for key in keys {
            // Writing to a Vec cannot fail.
            let _ = writeln!(text, "{key}: {}", values.next(self.value_bytes));
        }
        text
    }
}

/// The value of the variable that references name.
const END: &str = "the-end";

const SETTINGS: &str = "default: base\nenvironments:\n  base: { branch: main }\n";

/// Letters and digits that never repeat and that a compressor cannot shrink much: values that are equal
/// would make no commit, and values of one letter would flatter the packs.
#[derive(Debug)]
pub struct Values {
    dice: fastrand::Rng,
}

impl Values {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Values { dice: fastrand::Rng::with_seed(seed) }
    }

    /// A number below `limit`, for choosing what to write.
    pub fn index(&mut self, limit: usize) -> usize {
        self.dice.usize(..limit.max(1))
    }

    /// A value of that length. It begins with a letter, so that YAML reads it as a string.
    pub fn next(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes);
        if bytes > 0 {
            text.push('v');
        }
        text.extend((1..bytes).map(|_| self.dice.alphanumeric()));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_holds_what_its_paths_name() {
        let root = tempfile::tempdir().unwrap();
        let shape = Shape { large_entries: 3, ..Shape::new(Layout::Nested, 1010, 20) };
        shape.write_tree(root.path()).unwrap();
        assert_eq!(shape.path(1009), "/team-01/svc-00/config/key-9");
        let text = fs::read_to_string(root.path().join("base/team-01/svc-00/config.yaml")).unwrap();
        assert!(text.lines().last().is_some_and(|line| line.starts_with("key-9: v")), "{text}");
        let large = fs::read_to_string(root.path().join("base/large/document.yaml")).unwrap();
        assert_eq!(large.lines().count(), 4);
        assert_eq!(shape.large_path(2), "/large/document/key-00002");
        assert!(root.path().join("meta/settings.yaml").is_file());
    }

    #[test]
    fn values_have_their_length_and_differ() {
        let mut values = Values::new(3);
        let (first, second) = (values.next(100), values.next(100));
        assert_eq!((first.len(), second.len()), (100, 100));
        assert_ne!(first, second);
        assert_eq!(values.next(0), "");
    }
}
