use super::present::Present;
use crate::document::{self, Format};
use crate::model::{Limits, Value};

/// The line below which the text to edit begins.
const RULE: &str = "# ---\n";

/// How many inherited values are named above the text.
const MOST_INHERITED: usize = 20;

/// What is shown in the editor: a string as it is, anything else as YAML below a header of comments.
pub struct Buffer {
    /// What stands above the text; none for a string.
    header: Option<String>,
    body: String,
    /// Why the text cannot be taken, once that is so.
    error: Option<String>,
    /// Whether the present string ends its last line.
    ends_line: bool,
}

impl Buffer {
    /// The text for what stands there.
    pub fn new(present: &Present) -> Self {
        if let Some(Value::String(text)) = &present.value {
            return Buffer { header: None, body: text.clone(), error: None, ends_line: text.ends_with('\n') };
        }
        let body = present.value.as_ref().map(|value| document::emit(Format::Yaml, value));
        let body = body.and_then(Result::ok).map(|text| String::from_utf8_lossy(&text).into_owned());
        let header = Some(header(present));
        Buffer { header, body: body.unwrap_or_default(), error: None, ends_line: true }
    }

    /// What the editor's file is called after.
    pub fn extension(&self) -> &'static str {
        if self.header.is_some() { ".yaml" } else { ".txt" }
    }

    /// Whether nothing was refused yet.
    pub fn is_first(&self) -> bool {
        self.error.is_none()
    }

    /// Whether an edited text is the one that was refused, with or without what stands above it.
    pub fn is_refused(&self, text: &str) -> bool {
        self.error.is_some() && if self.header.is_some() { body_of(text) } else { text } == self.body
    }

    /// The whole text.
    pub fn text(&self) -> String {
        format!("{}{}", self.above(), self.body)
    }

    /// What the edited text says.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        if self.header.is_none() {
            // Most editors end the last line, whether or not it was ended before.
            let kept = if self.ends_line { text } else { text.strip_suffix('\n').unwrap_or(text) };
            return Ok(Value::from(kept));
        }
        let body = body_of(text);
        let has_text =
            body.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
        if !has_text {
            return Err("there is no value: to take it away, use `confgit unset`".to_owned());
        }
        let read = document::read(Format::Yaml, body.as_bytes(), &Limits::default());
        match read.map(document::Document::into_value) {
            Ok(Value::Null) => Err("null is no value: to take it away, use `confgit unset`".to_owned()),
            Ok(value) => Ok(value),
            Err(fault) => {
                // The reason takes one more line above the text when it is shown.
                let above = self.header.as_deref().map_or(0, |header| header.lines().count()) + 2;
                let line = above + usize::try_from(fault.position.line).unwrap_or(1);
                Err(format!("line {line}, column {}: {}", fault.position.column, fault.message))
            }
        }
    }

    /// Keeps the edited text, to be shown again with the reason why it cannot be taken.
    pub fn refuse(&mut self, text: &str, reason: &str) {
        self.body = if self.header.is_some() { body_of(text).to_owned() } else { text.to_owned() };
        self.error = Some(reason.replace(char::is_control, " "));
    }

    fn above(&self) -> String {
        let Some(header) = &self.header else { return String::new() };
        let error = self.error.as_ref().map(|error| format!("# error: {error}\n")).unwrap_or_default();
        format!("{header}{error}{RULE}")
    }
}

/// The text below the header, or all of it where somebody took the header away.
fn body_of(text: &str) -> &str {
    match text.split_once(RULE) {
        Some((above, body)) if above.lines().all(|line| line.starts_with('#')) => body,
        _ => text,
    }
}

fn header(present: &Present) -> String {
    let mut text = format!(
        "# {}, as YAML. Lines that begin with # are not part of it.\n\
         # Save and close to write it. To write nothing, change nothing.\n",
        present.path
    );
    if !present.inherited.is_empty() {
        text.push_str("# Inherited, and not part of this; what is written below has precedence:\n");
    }
    for (path, value, origin) in present.inherited.iter().take(MOST_INHERITED) {
        text.push_str(&format!("#   {path} = {}  (from {origin})\n", value.to_json()));
    }
    if let more @ 1.. = present.inherited.len().saturating_sub(MOST_INHERITED) {
        text.push_str(&format!("#   and {more} more\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(json: Option<&str>) -> Present {
        let value = json.map(|json| Value::from_json(json).unwrap());
        let inherited = vec![("/a/x".to_owned(), Value::from("y"), "base".to_owned())];
        Present { path: "/a".parse().unwrap(), value, own: Vec::new(), inherited }
    }

    #[test]
    fn strings_are_edited_as_they_are() {
        let buffer = Buffer::new(&present(Some(r#""a: [\n""#)));
        assert_eq!((buffer.text().as_str(), buffer.extension()), ("a: [\n", ".txt"));
        assert_eq!(buffer.read("b\n").unwrap(), Value::from("b\n"));
        let buffer = Buffer::new(&present(Some("\"a\"")));
        assert_eq!(buffer.read("b\n").unwrap(), Value::from("b"));
        assert_eq!(buffer.read("b").unwrap(), Value::from("b"));
    }

    #[test]
    fn other_values_are_yaml_and_mistakes_come_back() {
        let mut buffer = Buffer::new(&present(Some(r#"{"b":"no","c":[1]}"#)));
        let text = buffer.text();
        assert!(text.contains("# /a, as YAML") && text.contains("#   /a/x = \"y\"  (from base)\n"), "{text}");
        assert!(text.ends_with("# ---\nb: \"no\"\nc:\n  - 1\n"), "{text}");
        assert_eq!(buffer.read(&text.replace("- 1", "- 2")).unwrap().to_json(), r#"{"b":"no","c":[2]}"#);
        let wrong = text.replace("- 1", "- [");
        let reason = buffer.read(&wrong).unwrap_err();
        buffer.refuse(&wrong, &reason);
        let again = buffer.text();
        assert!(buffer.is_refused(&again) && buffer.is_refused("b: \"no\"\nc:\n  - [\n"));
        assert!(!buffer.is_refused("b: 1\n"));
        let line: usize = reason["line ".len()..].split(',').next().unwrap().parse().unwrap();
        assert!(again.contains(&format!("# error: {reason}\n# ---\n")), "{again}");
        // The fault is at the end of the text, which is where the line says it is.
        assert!(line >= again.lines().count(), "{line}: {again}");
        assert_eq!(buffer.read("b: 1\n").unwrap().to_json(), r#"{"b":1}"#, "without its header");
        for nothing in ["", "# ---\n", "# x\n# ---\n\n # y\n", "null\n", "~\n"] {
            assert!(buffer.read(nothing).unwrap_err().contains("confgit unset"), "{nothing:?}");
        }
        assert_eq!(Buffer::new(&present(None)).read("5\n").unwrap().to_json(), "5");
    }
}
