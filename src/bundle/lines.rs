use super::BundleEntry;
use crate::model::Value;

/// A line for each entry.
pub(super) fn write(entries: &[BundleEntry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let value = match &entry.value {
            Value::String(value) if Value::is_plain_text(value) => value.clone(),
            other => other.to_json(),
        };
        text.push_str(&format!("{} = {value}\n", entry.path));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::testing::entries;
    use super::*;

    #[test]
    fn one_line_each() {
        let list = entries(&[("/a", "\"x y\""), ("/b", "\"5\""), ("/c", "5"), ("/d", "\"a\\nb\"")]);
        assert_eq!(write(&list), "/a = x y\n/b = \"5\"\n/c = 5\n/d = \"a\\nb\"\n");
    }
}
