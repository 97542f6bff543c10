use crate::model::{ObjectId, Timestamp};

/// Who made a commit, as Git records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The name. What Git does not allow in one (`<`, `>`, controls) is left out.
    pub name: &'a str,
    /// The address, likewise.
    pub email: &'a str,
}

/// A commit to be written. Its time is stored in whole seconds, in UTC, not before 1970.
#[derive(Debug, Clone, Copy)]
pub struct NewCommit<'a> {
    /// The tree.
    pub tree: ObjectId,
    /// The parents, first parent first.
    pub parents: &'a [ObjectId],
    /// Who wanted the change.
    pub author: Signature<'a>,
    /// Who recorded it.
    pub committer: Signature<'a>,
    /// When, for both.
    pub time: Timestamp,
    /// The message. NUL characters are left out, a newline is put at the end.
    pub message: &'a str,
}

impl NewCommit<'_> {
    /// The commit's content.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut text = String::with_capacity(300 + self.message.len());
        text.push_str(&format!("tree {}\n", self.tree));
        for parent in self.parents {
            text.push_str(&format!("parent {parent}\n"));
        }
        // Git reads times as unsigned, and fsck refuses years it cannot show.
        let seconds = self.time.as_seconds().clamp(0, i64::from(u32::MAX) * 16);
        for (role, who) in [("author", self.author), ("committer", self.committer)] {
            text.push_str(role);
            text.push(' ');
            push_clean(&mut text, who.name, "unknown");
            text.push_str(" <");
            push_clean(&mut text, who.email, "");
            text.push_str(&format!("> {seconds} +0000\n"));
        }
        text.push('\n');
        text.extend(self.message.chars().filter(|&c| c != '\0'));
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.into_bytes()
    }
}

/// Appends what Git takes as a name or an address: without `<`, `>` and controls, without blanks around.
fn push_clean(text: &mut String, name: &str, otherwise: &str) {
    let clean: String = name.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect();
    let clean = clean.trim();
    text.push_str(if clean.is_empty() { otherwise } else { clean });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_cannot_add_headers() {
        let commit = NewCommit {
            tree: ObjectId::ZERO,
            parents: &[],
            author: Signature { name: "eve\nparent 0 <x>", email: "<\0>" },
            committer: Signature { name: " \n", email: "a@b" },
            time: Timestamp::from_millis(-5),
            message: "",
        };
        let text = String::from_utf8(commit.encode()).unwrap();
        assert_eq!(
            text,
            format!(
                "tree {}\nauthor eveparent 0 x <> 0 +0000\ncommitter unknown <a@b> 0 +0000\n\n",
                ObjectId::ZERO
            )
        );
    }
}
