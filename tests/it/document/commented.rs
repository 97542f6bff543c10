//! Random documents with comments that name the key they belong to.

use confgit::document::{Format, emit};
use confgit::model::{Object, Value};
use proptest::prelude::*;

use super::values::{number, string};

/// A document under construction: every comment names the path of the key that it belongs to.
pub struct Writer {
    format: Format,
    text: String,
    seed: u64,
}

impl Writer {
    /// A small number out of the seed, so that one random number shapes a whole document.
    fn pick(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn choose<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[usize::try_from(self.pick(choices.len() as u64)).expect("small")]
    }

    fn push_one_of(&mut self, choices: &[&str]) {
        let choice = self.choose(choices);
        self.text.push_str(choice);
    }

    fn comment(&mut self, path: &str) -> String {
        format!("# <{path}> {}", self.pick(1_000_000))
    }

    fn yaml(&mut self, members: &Object, path: &str, indent: usize) {
        let step = 2 + 2 * usize::try_from(self.pick(2)).expect("small");
        for (name, member) in members {
            let path = format!("{path}/{name}");
            let pad = " ".repeat(indent);
            if self.pick(4) == 0 {
                self.push_one_of(&["\n", "  \n"]);
            }
            if self.pick(3) == 0 {
                let comment = self.comment(&path);
                self.text.push_str(&format!("{pad}{comment}\n"));
            }
            let trailing =
                if self.pick(3) == 0 { format!("  {}", self.comment(&path)) } else { String::new() };
            let quoted = if self.pick(4) == 0 { format!("\"{name}\"") } else { name.clone() };
            match member {
                Value::Object(inner) if !inner.is_empty() && self.pick(5) > 0 => {
                    self.text.push_str(&format!("{pad}{quoted}:{trailing}\n"));
                    self.yaml(inner, &path, indent + step);
                }
                Value::Array(items) if !items.is_empty() && self.pick(2) == 0 => {
                    self.text.push_str(&format!("{pad}{quoted}:{trailing}\n"));
                    let dash = indent + usize::try_from(self.pick(2)).expect("small") * 2;
                    for item in items {
                        let trailing = if self.pick(3) == 0 {
                            format!(" {}", self.comment(&format!("{path}/-")))
                        } else {
                            String::new()
                        };
                        self.text.push_str(&format!("{}- {}{trailing}\n", " ".repeat(dash), item.to_json()));
                    }
                }
                Value::String(text)
                    if text.chars().all(|c| c.is_ascii_lowercase())
                        && !matches!(text.as_str(), "true" | "false" | "null" | "") =>
                {
                    let quote = self.choose(&["", "'", "\""]);
                    self.text.push_str(&format!("{pad}{quoted}: {quote}{text}{quote}{trailing}\n"));
                }
                Value::String(text)
                    if text.split('\n').count() == 3
                        && text.lines().all(|line| {
                            line.starts_with(|c: char| c.is_ascii_lowercase())
                                && line.chars().all(|c| c.is_ascii_lowercase() || c == ' ')
                        })
                        && text.ends_with('\n') =>
                {
                    self.text.push_str(&format!("{pad}{quoted}: |{trailing}\n"));
                    for line in text.lines() {
                        self.text.push_str(&format!("{pad}  {line}\n"));
                    }
                }
                Value::Null if self.pick(2) == 0 => {
                    self.text.push_str(&format!("{pad}{quoted}:{trailing}\n"))
                }
                other => {
                    // JSON is YAML, on one line or, in braces, on several.
                    self.text.push_str(&format!("{pad}{quoted}: {}{trailing}\n", other.to_json()));
                }
            }
        }
    }

    fn toml(&mut self, members: &Object, path: &str, header: &str) {
        let is_table = |value: &&Value| matches!(value, Value::Object(inner) if !inner.is_empty());
        for (name, member) in members.iter().filter(|(_, member)| !is_table(member)) {
            let path = format!("{path}/{name}");
            if self.pick(3) == 0 {
                let comment = self.comment(&path);
                self.text.push_str(&format!("{comment}\n"));
            }
            let trailing =
                if self.pick(3) == 0 { format!("  {}", self.comment(&path)) } else { String::new() };
            let line =
                emit(Format::Toml, &Value::Object([(name.clone(), member.clone())].into_iter().collect()));
            let line = String::from_utf8(line.expect("can be expressed")).expect("text");
            match member {
                // An empty table is written as a section, which would swallow what follows.
                Value::Object(_) => self.text.push_str(&format!("{name} = {{}}{trailing}\n")),
                _ => self.text.push_str(&format!("{}{trailing}\n", line.trim_end())),
            }
            if self.pick(4) == 0 {
                self.text.push('\n');
            }
        }
        for (name, member) in members.iter().filter(|(_, member)| is_table(member)) {
            let Value::Object(inner) = member else { continue };
            let path = format!("{path}/{name}");
            let header = if header.is_empty() { name.clone() } else { format!("{header}.{name}") };
            self.text.push('\n');
            if self.pick(3) == 0 {
                let comment = self.comment(&path);
                self.text.push_str(&format!("{comment}\n"));
            }
            let trailing =
                if self.pick(3) == 0 { format!("  {}", self.comment(&path)) } else { String::new() };
            self.text.push_str(&format!("[{header}]{trailing}\n"));
            self.toml(inner, &path, &header);
        }
    }

    /// The text of a document that says these members.
    pub fn write(format: Format, seed: u64, members: &Object) -> String {
        let mut writer = Writer { format, text: String::new(), seed };
        match writer.format {
            Format::Yaml => {
                writer.push_one_of(&["", "---\n", "# <> top\n\n"]);
                writer.yaml(members, "", 0);
                writer.push_one_of(&["", "# <> end\n", "\n# <> end\n"]);
            }
            Format::Toml => {
                writer.text.push_str("# <> top\n\n");
                writer.toml(members, "", "");
            }
            _ => {
                let compact = Value::Object(members.clone()).to_json();
                let pretty = emit(Format::Json, &Value::Object(members.clone())).expect("can be expressed");
                writer.text =
                    if writer.pick(2) == 0 { compact } else { String::from_utf8(pretty).expect("text") };
            }
        }
        if writer.pick(4) == 0 && writer.text.ends_with('\n') {
            writer.text.pop();
        }
        if writer.pick(4) == 0 {
            writer.text = writer.text.replace('\n', "\r\n");
        }
        writer.text
    }
}

fn is_printable(text: &str) -> bool {
    text.chars().all(|c| !matches!(c, '\u{7f}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'))
}

pub fn simple_object(with_null: bool) -> impl Strategy<Value = Object> {
    let key = || "[a-e]{1,2}";
    let null = if with_null { Value::Null } else { Value::Bool(false) };
    let leaf = prop_oneof![
        Just(null),
        number().prop_map(Value::Number),
        "[a-z]{1,6}".prop_map(Value::String),
        "[a-z ]{1,6}\n[a-z]{1,3}\n".prop_map(Value::String),
        string()
            .prop_filter("what JSON and YAML both take as it is", |text| is_printable(text))
            .prop_map(Value::String),
        prop::collection::vec("[a-z]{0,3}".prop_map(Value::String), 0..3).prop_map(Value::Array),
    ];
    let inner = leaf.prop_recursive(3, 20, 5, move |inner| {
        prop::collection::vec((key(), inner), 0..5)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    });
    prop::collection::vec((key(), inner), 0..6).prop_map(|members| members.into_iter().collect())
}
