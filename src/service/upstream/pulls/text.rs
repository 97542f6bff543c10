//! What a pull request is told. All that comes from its files stands in blocks of code, where it is no markup and calls
//! nobody by name.

use std::fmt::Write as _;

use super::check::{Checked, ShownChange, ShownEnvironment};
use crate::forge::{MOST_DESCRIPTION_CHARS, Verdict};

/// The longest comment, in bytes. Bitbucket takes 32 KiB, the others more.
const MOST_COMMENT_BYTES: usize = 30_000;

/// The longest value that is shown, in characters.
const MOST_VALUE_CHARS: usize = 200;

/// How many lines one block has at most.
const MOST_LINES: usize = 100;

/// The status of a commit.
pub(super) fn verdict(checked: &Checked) -> Verdict {
    let Checked { problems, conflicts, environments } = checked;
    let is_good = problems.is_empty() && conflicts.is_empty();
    let mut wrong = Vec::new();
    if !problems.is_empty() {
        wrong.push(counted(problems.len(), "problem"));
    }
    if !conflicts.is_empty() {
        wrong.push(format!("{} with what the branch has by now", counted(conflicts.len(), "conflict")));
    }
    let description = match is_good {
        true => summary(environments),
        false => wrong.join(", "),
    };
    Verdict { is_good, description: description.chars().take(MOST_DESCRIPTION_CHARS).collect() }
}

fn summary(environments: &[ShownEnvironment]) -> String {
    if environments.is_empty() {
        return "changes nothing that is read".to_owned();
    }
    let names: Vec<&str> = environments.iter().map(|environment| environment.name.as_str()).collect();
    format!("changes {}: {}", counted(environments.len(), "environment"), names.join(", "))
}

/// The comment; without the clients, which come and go, it is the same for as long as nothing else changes.
pub(super) fn comment(checked: &Checked, commit: &str, with_clients: bool) -> String {
    let Checked { problems, conflicts, environments } = checked;
    let verdict = verdict(checked);
    let mut text = format!("### confgit: {}\n", verdict.description);
    if !problems.is_empty() {
        text.push_str("\nThis would be refused:\n");
        block(&mut text, "", problems.iter().map(|problem| line_of(problem)), problems.len());
    }
    if !conflicts.is_empty() {
        text.push_str("\nBoth this and the branch changed:\n");
        block(&mut text, "", conflicts.iter().map(|path| line_of(path)), conflicts.len());
    }
    if !environments.is_empty() {
        text.push_str("\n| environment | entries | values through references | connected clients |\n|---|--:|--:|--:|\n");
        for ShownEnvironment { name, entries, through, clients, .. } in environments.iter().take(MOST_LINES) {
            let clients = if with_clients { clients.to_string() } else { String::new() };
            let _ = writeln!(text, "| {name} | {entries} | {through} | {clients} |");
        }
        if environments.len() > MOST_LINES {
            let _ =
                write!(text, "\n… and {} more.\n", counted(environments.len() - MOST_LINES, "environment"));
        }
    }
    for environment in environments.iter().filter(|environment| !environment.changes.is_empty()) {
        if text.len() > MOST_COMMENT_BYTES / 2 {
            text.push_str("\nThere is no room for what changes in the others.\n");
            break;
        }
        let _ = write!(text, "\n**{}**\n", environment.name);
        let lines = environment.changes.iter().flat_map(lines_of);
        let count = environment.changes.iter().map(|change| lines_of(change).len()).sum();
        block(&mut text, "diff", lines, count);
        if environment.is_cut {
            text.push_str("\nThere is more than is listed.\n");
        }
    }
    let _ = write!(text, "\nChecked at {commit}.\n");
    text
}

fn lines_of(change: &ShownChange) -> Vec<String> {
    let line = |sign: char, value: &String| format!("{sign} {}: {}", line_of(&change.path), line_of(value));
    let old = change.old.iter().map(|value| line('-', value));
    old.chain(change.new.iter().map(|value| line('+', value))).collect()
}

/// Adds a block of code with as many lines as there is room for. Its fence is longer than any in it.
fn block(text: &mut String, language: &str, lines: impl Iterator<Item = String>, count: usize) {
    let mut room = (MOST_COMMENT_BYTES - 2_000).saturating_sub(text.len()) / 2;
    let mut kept = Vec::new();
    for line in lines.take(MOST_LINES) {
        if line.len() + 1 > room {
            break;
        }
        room -= line.len() + 1;
        kept.push(line);
    }
    let longest = kept.iter().map(|line| longest_run(line)).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    let _ = write!(text, "\n{fence}{language}\n");
    for line in &kept {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(text, "{fence}");
    if kept.len() < count {
        let _ = write!(text, "\n… and {} more.\n", counted(count - kept.len(), "line"));
    }
}

fn longest_run(line: &str) -> usize {
    line.split(|char| char != '`').map(str::len).max().unwrap_or(0)
}

/// A text as one line, in which everything is what it looks like.
fn line_of(text: &str) -> String {
    shortened(&text.chars().map(plain).collect::<String>())
}

/// What is shown for a character: nothing that is not seen, or that turns the order of others round.
fn plain(char: char) -> char {
    match char {
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
            '\u{fffd}'
        }
        char if char.is_control() => ' ',
        char => char,
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_VALUE_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str, changes: Vec<ShownChange>) -> ShownEnvironment {
        ShownEnvironment {
            name: name.to_owned(),
            entries: changes.len(),
            through: 1,
            clients: 2,
            changes,
            is_cut: false,
        }
    }

    fn change(path: &str, old: Option<&str>, new: Option<&str>) -> ShownChange {
        ShownChange { path: path.to_owned(), old: old.map(str::to_owned), new: new.map(str::to_owned) }
    }

    #[test]
    fn a_change_is_told_as_a_whole() {
        let changes =
            vec![change("/app/pool", Some("5"), Some("50")), change("/app/new", None, Some("\"x\""))];
        let checked = Checked { environments: vec![environment("prod", changes)], ..Checked::default() };
        assert_eq!(
            verdict(&checked),
            Verdict { is_good: true, description: "changes 1 environment: prod".to_owned() }
        );
        let expected = "\
### confgit: changes 1 environment: prod

| environment | entries | values through references | connected clients |
|---|--:|--:|--:|
| prod | 2 | 1 | 2 |

**prod**

```diff
- /app/pool: 5
+ /app/pool: 50
+ /app/new: \"x\"
```

Checked at 0123.
";
        assert_eq!(comment(&checked, "0123", true), expected);
        assert!(comment(&checked, "0123", false).contains("| prod | 2 | 1 |  |"));
        assert_eq!(verdict(&Checked::default()).description, "changes nothing that is read");
    }

    #[test]
    fn what_is_wrong_is_told_as_code() {
        let problems = vec!["a.yaml:1:2: ```\n@every\u{202e}body <b> [parse]".to_owned()];
        let checked = Checked { problems, conflicts: vec!["/a".to_owned()], ..Checked::default() };
        let found = verdict(&checked);
        assert_eq!(
            (found.is_good, found.description.as_str()),
            (false, "1 problem, 1 conflict with what the branch has by now")
        );
        let text = comment(&checked, "0123", true);
        assert!(text.contains("\n````\na.yaml:1:2: ``` @every\u{fffd}body <b> [parse]\n````\n"), "{text}");
    }

    #[test]
    fn a_comment_has_an_end() {
        let long = "é".repeat(5_000);
        let many = |_| change("/x", Some(&long), Some(&long));
        let environments: Vec<_> =
            (0..500).map(|at| environment(&format!("{at:0>64}"), (0..1_000).map(many).collect())).collect();
        let problems = (0..1_000).map(|_| long.clone()).collect();
        let checked = Checked { environments, problems, ..Checked::default() };
        let text = comment(&checked, "0123", true);
        assert!(text.len() < MOST_COMMENT_BYTES, "{}", text.len());
        assert!(text.contains("more.") && text.contains("no room"), "{text}");
    }
}
