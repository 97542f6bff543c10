use super::{Fault, Import, ImportError, ImportedFile, LeftOut};
use crate::document::Format;
use crate::model::{Path, PathError, Value};

/// Keys and values from elsewhere on their way to paths: what cannot be one is noted, not stopped at.
pub(super) struct Gather<'a> {
    to: &'a Path,
    import: Import,
    /// The keys of the values, in the order of `import.values`, for the words of faults.
    keys: Vec<String>,
    faults: Vec<Fault>,
}

impl<'a> Gather<'a> {
    /// Everything goes below this path.
    pub fn below(to: &'a Path) -> Self {
        Gather { to, import: Import::default(), keys: Vec::new(), faults: Vec::new() }
    }

    /// Takes a key of a store whose keys have slashes. One slash in front is forgiven; a key that ends with one
    /// is how such stores mark a folder, and is left out.
    pub fn slashed(&mut self, key: &str, content: Vec<u8>, value: impl FnOnce(&str) -> Value) {
        if key.ends_with('/') && content.is_empty() {
            return self.leave_out(key, "it marks a folder and has no value");
        }
        let segments: Vec<&str> = key.strip_prefix('/').unwrap_or(key).split('/').collect();
        match String::from_utf8(content) {
            Ok(text) => self.value(key, &segments, value(&text)),
            Err(error) => self.bytes(key, &segments, error.into_bytes()),
        }
    }

    /// Takes a value at these segments.
    pub fn value(&mut self, key: &str, segments: &[&str], value: Value) {
        match self.path(segments) {
            Ok(path) => {
                self.import.values.push((path, value));
                self.keys.push(key.to_owned());
            }
            Err(error) => self.fault(key, error.to_string()),
        }
    }

    /// Takes bytes that are no text: a file of its own, since no document can hold them.
    pub fn bytes(&mut self, key: &str, segments: &[&str], content: Vec<u8>) {
        if segments.last().is_some_and(|name| Format::of(name) != Format::Raw) {
            return self.fault(key, "its value is no UTF-8 text, which a file of this name has to be");
        }
        self.file(key, segments, content);
    }

    /// Takes a file at these segments.
    pub fn file(&mut self, key: &str, segments: &[&str], content: Vec<u8>) {
        let name = self.path(segments).map_err(|error| error.to_string()).and_then(|path| file_name(&path));
        match name {
            Ok(name) => self.import.files.push(ImportedFile { name, content }),
            Err(reason) => self.fault(key, reason),
        }
    }

    /// Notes what is seen and not taken.
    pub fn leave_out(&mut self, name: &str, reason: &str) {
        self.import.left_out.push(LeftOut { name: name.to_owned(), reason: reason.to_owned() });
    }

    /// Notes what cannot be taken.
    pub fn fault(&mut self, name: &str, reason: impl Into<String>) {
        self.faults.push(Fault { name: name.to_owned(), reason: reason.into() });
    }

    /// Everything, or all that speaks against it.
    pub fn finish(mut self) -> Result<Import, ImportError> {
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_by(|&a, &b| self.import.values[a].0.cmp(&self.import.values[b].0));
        // What is below a path comes right after it.
        for pair in order.windows(2) {
            let ((first, _), (second, _)) = (&self.import.values[pair[0]], &self.import.values[pair[1]]);
            if first == second {
                self.faults
                    .push(Fault { name: self.keys[pair[1]].clone(), reason: "it comes twice".to_owned() });
            } else if first.is_prefix_of(second) {
                let (name, below) = (self.keys[pair[0]].clone(), self.keys[pair[1]].escape_debug());
                let reason = format!("it is a value and a folder at once: `{below}` is below it");
                self.faults.push(Fault { name, reason });
            }
        }
        self.import.values.sort_by(|a, b| a.0.cmp(&b.0));
        self.import.files.sort_by(|a, b| a.name.cmp(&b.name));
        for pair in self.import.files.windows(2).filter(|pair| pair[0].name == pair[1].name) {
            self.faults.push(Fault { name: pair[0].name.clone(), reason: "it comes twice".to_owned() });
        }
        if self.faults.is_empty() {
            Ok(self.import)
        } else {
            Err(ImportError::Faults { faults: self.faults })
        }
    }

    fn path(&self, segments: &[&str]) -> Result<Path, PathError> {
        let above: Vec<_> = self.to.segments().collect();
        Path::from_segments(above.iter().map(|segment| &**segment).chain(segments.iter().copied()))
    }
}

/// The file that stands at a path, by its full name.
pub(super) fn file_name(path: &Path) -> Result<String, String> {
    let segments: Vec<_> = path.segments().collect();
    match segments.iter().find(|segment| segment.contains('/')) {
        Some(segment) => {
            Err(format!("`{segment}` holds a slash, so it cannot be the name of a file or folder"))
        }
        None => Ok(segments.join("/")),
    }
}
