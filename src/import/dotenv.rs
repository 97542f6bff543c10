use super::gather::Gather;
use super::{Import, ImportError, Texts, json};
use crate::model::Path;

/// How the keys of a `.env` file become paths.
#[derive(Debug, Clone, Default)]
pub struct EnvKeys {
    /// What separates the segments within a key; a key is one segment when none.
    pub separator: Option<String>,
    /// Whether keys are made lower case.
    pub lowercase: bool,
}

/// Reads a `.env` file, in the syntax on which its readers agree: `KEY=value` a line, `export` in front, comments,
/// `'…'` and `` `…` `` as they are, `"…"` with `\n \r \t \" \\ \$`; what is quoted may have several lines.
///
/// Nothing is filled in for `$NAME`: a value is what the file says, not what the process that imports it has.
///
/// ```
/// use confgit::import::{EnvKeys, Texts, read_env};
/// let keys = EnvKeys { separator: Some("_".to_owned()), lowercase: true };
/// let to = "/app".parse().unwrap();
/// let import = read_env(b"export DB_HOST='db 1' # the first\n", &to, &keys, Texts::AsStrings).unwrap();
/// assert_eq!(import.values[0].0.as_str(), "/app/db/host");
/// assert_eq!(import.values[0].1.to_json(), "\"db 1\"");
/// ```
pub fn read_env(bytes: &[u8], to: &Path, keys: &EnvKeys, texts: Texts) -> Result<Import, ImportError> {
    let mut gather = Gather::below(to);
    let mut reader = Reader { rest: json::text(bytes, "a .env file")?, line: 1 };
    while let Some((key, value)) = reader.next()? {
        let spelled = if keys.lowercase { key.to_lowercase() } else { key.to_owned() };
        let segments: Vec<&str> = match keys.separator.as_deref() {
            Some(separator) if !separator.is_empty() => spelled.split(separator).collect(),
            _ => vec![&spelled],
        };
        gather.value(key, &segments, texts.value(&value));
    }
    gather.finish()
}

/// What is left of the text, and its line.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    /// The next key and its value.
    fn next(&mut self) -> Result<Option<(&'a str, String)>, ImportError> {
        loop {
            self.skip_blanks();
            match self.rest.as_bytes().first() {
                None => return Ok(None),
                Some(b'\n') => self.advance(1),
                Some(b'\r') if self.rest.starts_with("\r\n") => self.advance(2),
                Some(b'#') => self.advance(self.line_end()),
                Some(_) => break,
            }
        }
        if let Some(after) = self.rest.strip_prefix("export").filter(|after| after.starts_with([' ', '\t'])) {
            self.rest = after;
            self.skip_blanks();
        }
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
        let length = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        let key = &self.rest[..length];
        if key.is_empty() {
            return Err(self.wrong("a key is expected: letters, digits, `_`, `.` and `-`"));
        }
        self.advance(length);
        self.skip_blanks();
        if !self.rest.starts_with('=') {
            return Err(self.wrong(&format!("`{key}` has no `=` after it")));
        }
        self.advance(1);
        self.skip_blanks();
        let value = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'' | '`')) => self.quoted(quote)?,
            _ => self.bare(),
        };
        Ok(Some((key, value)))
    }

    fn bare(&mut self) -> String {
        let line = &self.rest[..self.line_end()];
        // A `#` begins a comment after a blank; within a word it is part of it.
        let comment = line.match_indices('#').map(|(at, _)| at);
        let mut starts = comment.filter(|&at| at == 0 || line[..at].ends_with([' ', '\t']));
        let value = &line[..starts.next().unwrap_or(line.len())];
        self.advance(line.len());
        value.trim_end().to_owned()
    }

    fn quoted(&mut self, quote: char) -> Result<String, ImportError> {
        let begun = self.line;
        let mut value = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        let end = loop {
            match characters.next() {
                None => {
                    return Err(ImportError::syntax(
                        begun,
                        format!("the {quote} that opens here is never closed"),
                    ));
                }
                Some((at, c)) if c == quote => break at + c.len_utf8(),
                Some((_, '\\')) if quote == '"' => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 'r')) => value.push('\r'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, c @ ('"' | '\\' | '$'))) => value.push(c),
                    Some((_, c)) => value.extend(['\\', c]),
                    None => {}
                },
                Some((_, c)) => value.push(c),
            }
        };
        self.advance(end);
        self.skip_blanks();
        let after = &self.rest[..self.line_end()];
        if !after.trim_end_matches('\r').is_empty() && !after.starts_with('#') {
            return Err(self.wrong(&format!("something follows the closing {quote}")));
        }
        self.advance(after.len());
        Ok(value)
    }

    fn line_end(&self) -> usize {
        self.rest.find('\n').unwrap_or(self.rest.len())
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        self.line += passed.matches('\n').count();
        self.rest = rest;
    }

    fn wrong(&self, message: &str) -> ImportError {
        ImportError::syntax(self.line, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Result<Vec<(String, String)>, String> {
        let mut reader = Reader { rest: text, line: 1 };
        let mut all = Vec::new();
        while let Some((key, value)) = reader.next().map_err(|error| error.to_string())? {
            all.push((key.to_owned(), value));
        }
        Ok(all)
    }

    #[test]
    fn values_as_readers_agree_on_them() {
        for (text, expected) in [
            ("A=1", "1"),
            ("A = 1 ", "1"),
            ("export A=1", "1"),
            ("export\tA=1\r\n", "1"),
            ("A=", ""),
            ("A=\n", ""),
            ("A=  # nothing", ""),
            ("A=#x", ""),
            ("A=a#b", "a#b"),
            ("A=a #b", "a"),
            ("A=a b  c", "a b  c"),
            ("A=a=b", "a=b"),
            ("A=it's", "it's"),
            (r"A=C:\new", r"C:\new"),
            ("A=$HOME/${X}", "$HOME/${X}"),
            ("A='a # \\n \"b\"' # c", "a # \\n \"b\""),
            ("A=`it's \"x\"`", "it's \"x\""),
            (r#"A="a\nb\tc\"\\\$\q" # c"#, "a\nb\tc\"\\$\\q"),
            ("A=\"a\nb\r\n# c\n\"\n", "a\nb\r\n# c\n"),
            ("A='a\nb'", "a\nb"),
            ("# x\n\n  A=ä", "ä"),
        ] {
            assert_eq!(values(text), Ok(vec![("A".to_owned(), expected.to_owned())]), "{text:?}");
        }
        let several = values("export=1\nB.c-d=2\n").unwrap();
        assert_eq!(several, [("export".to_owned(), "1".to_owned()), ("B.c-d".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, reason) in [
            ("A=1\nB", "line 2: `B` has no `=`"),
            ("export A", "line 1: `A` has no `=`"),
            ("=1", "line 1: a key is expected"),
            ("\n\nA='x", "line 3: the ' that opens here"),
            ("A=\"x\\", "line 1: the \" that opens here"),
            ("A=\"a\nb\" c", "line 2: something follows"),
            ("A='a'b", "line 1: something follows"),
            ("{\"a\": 1}", "line 1: a key is expected"),
        ] {
            let error = values(text).unwrap_err();
            assert!(error.starts_with(reason), "{text:?}: {error}");
        }
        assert!(values(&"A".repeat(1 << 20)).is_err());
    }

    #[test]
    fn keys_are_split_as_asked() {
        let keys = EnvKeys { separator: Some("__".to_owned()), lowercase: true };
        let read = |text: &str| read_env(text.as_bytes(), &Path::root(), &keys, Texts::AsJson);
        let import = read("DB__POOL_SIZE=5\nNAME=x").unwrap();
        assert_eq!(import.values[0].0.as_str(), "/db/pool_size");
        assert_eq!(import.values[0].1.to_json(), "5");
        let error = read("DB=1\nDB__HOST=x\n__A=1\nname=1\nNAME=2").unwrap_err().to_string();
        assert!(error.starts_with("3 items"), "{error}");
        for named in [
            "DB: it is a value and a folder at once: `DB__HOST`",
            "__A: segment 1 is empty",
            "NAME: it comes twice",
        ] {
            assert!(error.contains(named), "{error}");
        }
    }
}
