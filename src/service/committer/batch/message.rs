use crate::model::Path;
use crate::service::committer::request::{Edit, EditOp, Write};
use crate::service::trailers::{promoted_from, restored};

/// The commit message: the writer's, or one made from the edits; then the trailers.
pub(in crate::service::committer) fn message(write: &Write) -> String {
    let given = write.message.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let mut message = match (given, &write.edits[..]) {
        (Some(text), _) => text.to_owned(),
        (None, [only]) => describe(&only.op, &only.path),
        (None, edits) => {
            let lines: Vec<String> =
                edits.iter().take(50).map(|edit| describe(&edit.op, &edit.path)).collect();
            let more = edits.len().saturating_sub(lines.len());
            let rest = if more > 0 { format!("\nand {more} more") } else { String::new() };
            format!("change {} paths\n\n{}{rest}", edits.len(), lines.join("\n"))
        }
    };
    message.push_str("\n\nAccount: ");
    message.push_str(&one_line(write.grant.account()));
    let read_again = match &write.edits[..] {
        [Edit { op: EditOp::Promote(promotion), path, .. }] => {
            Some(promoted_from(&promotion.from, promotion.revision, path))
        }
        [Edit { op: EditOp::Restore { commit, .. }, .. }] => Some(restored(*commit)),
        _ => None,
    };
    if let Some(line) = read_again {
        message.push('\n');
        message.push_str(&line);
    }
    if let Some(id) = &write.request_id {
        message.push_str("\nRequest-Id: ");
        message.push_str(&one_line(id));
    }
    message.push('\n');
    message
}

fn describe(op: &EditOp, path: &Path) -> String {
    match op {
        EditOp::Put { .. } => format!("set {path}"),
        EditOp::Delete => format!("delete {path}"),
        EditOp::Hide => format!("hide {path}"),
        EditOp::Patch(_) => format!("patch {path}"),
        EditOp::Promote(promotion) if path.is_root() => format!("promote {}", promotion.from),
        EditOp::Promote(promotion) => format!("promote {path} of {}", promotion.from),
        EditOp::Restore { .. } => "roll the environment back".to_owned(),
        EditOp::File { file, content: Some(_) } => format!("write the file {}", file.name()),
        EditOp::File { file, content: None } => format!("remove the file {}", file.name()),
    }
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
