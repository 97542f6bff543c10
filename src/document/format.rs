/// How a file's bytes become a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// YAML 1.2, core schema, one document a file.
    Yaml,
    /// JSON (RFC 8259), strictly.
    Json,
    /// TOML 1.0.
    Toml,
    /// A `.txt` file: one string, exactly the bytes.
    Text,
    /// Any other file: one string when it is UTF-8, else bytes.
    Raw,
}

const DROPPED: [(&str, Format); 5] = [
    (".yaml", Format::Yaml),
    (".yml", Format::Yaml),
    (".json", Format::Json),
    (".toml", Format::Toml),
    (".txt", Format::Text),
];

fn split(file_name: &str) -> (&str, Format) {
    DROPPED
        .iter()
        .find_map(|&(extension, format)| Some((file_name.strip_suffix(extension)?, format)))
        .filter(|(stem, _)| !stem.is_empty() && !stem.ends_with('/'))
        .unwrap_or((file_name, Format::Raw))
}

impl Format {
    /// The format of a file of this name, by its extension. A name that is nothing but an extension
    /// (`.yaml`) has none and is raw.
    ///
    /// ```
    /// use confgit::document::Format;
    /// assert_eq!(Format::of("database.yml"), Format::Yaml);
    /// assert_eq!(Format::of("tls.crt"), Format::Raw);
    /// ```
    pub fn of(file_name: &str) -> Format {
        split(file_name).1
    }

    /// Whether such a file has members that can be edited one by one.
    pub fn is_structured(self) -> bool {
        matches!(self, Format::Yaml | Format::Json | Format::Toml)
    }
}

/// The file name without the extension that a path drops; other names come back whole.
///
/// ```
/// use confgit::document::stem;
/// assert_eq!(stem("database.yaml"), "database");
/// assert_eq!(stem("tls.crt"), "tls.crt");
/// ```
pub fn stem(file_name: &str) -> &str {
    split(file_name).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, expected_stem, format) in [
            ("a.yaml", "a", Format::Yaml),
            ("a.yml", "a", Format::Yaml),
            ("a.b.json", "a.b", Format::Json),
            ("a.toml", "a", Format::Toml),
            ("motd.txt", "motd", Format::Text),
            ("a.YAML", "a.YAML", Format::Raw),
            ("LICENSE", "LICENSE", Format::Raw),
            (".yaml", ".yaml", Format::Raw),
            ("dir/.yaml", "dir/.yaml", Format::Raw),
            ("dir/a.yaml", "dir/a", Format::Yaml),
        ] {
            assert_eq!((stem(name), Format::of(name)), (expected_stem, format), "{name}");
        }
    }
}
