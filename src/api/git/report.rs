//! What a push is answered: gitprotocol-pack(5), "Report Status".

use bytes::{BufMut as _, Bytes, BytesMut};

use super::pkt_line::{self, Band};
use crate::api::http::problem::Problem;
use crate::git::ReceiveError;
use crate::model::ObjectId;
use crate::service::{MovedRef, PushRefusal, RefUpdate, Verdict};

/// How many lines of reasons a client is shown.
const MOST_LINES: usize = 200;

/// How a client wants to be answered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// It wants a report at all, and in which version.
    pub report: Option<u8>,
    /// It takes what people read beside the report.
    pub has_bands: bool,
}

/// The answer to a push that was decided.
pub fn decided(style: Style, updates: &[RefUpdate], verdicts: Vec<Verdict>) -> Bytes {
    let mut words = Vec::new();
    let mut report = BytesMut::new();
    pkt_line::line(&mut report, b"unpack ok\n");
    for (update, verdict) in updates.iter().zip(verdicts) {
        match verdict {
            Verdict::Moved(moved) => {
                pkt_line::line(&mut report, format!("ok {}\n", update.name).as_bytes());
                // A merge is a commit that the client does not have: it notes what it pushed, and fetches.
                if style.report == Some(2) && !moved.is_merged {
                    options(&mut report, update, &moved);
                }
                words.extend(good_news(update, &moved));
            }
            Verdict::Refused(refusal) => {
                let line = format!("ng {} {}\n", update.name, refusal.summary());
                pkt_line::line(&mut report, line.as_bytes());
                words.extend(reasons(&update.name, refusal));
            }
        }
    }
    finished(style, report, words)
}

/// The answer to a push whose pack was not taken.
pub fn not_unpacked(style: Style, updates: &[RefUpdate], error: &ReceiveError) -> Bytes {
    let mut report = BytesMut::new();
    let reason = one_line(&error.to_string());
    pkt_line::line(&mut report, format!("unpack {reason}\n").as_bytes());
    for update in updates {
        pkt_line::line(&mut report, format!("ng {} unpacker error\n", update.name).as_bytes());
    }
    finished(style, report, vec![format!("error: {reason}")])
}

/// The answer to a push that could not be decided.
pub fn undecided(style: Style, updates: &[RefUpdate], problem: &Problem, summary: &str) -> Bytes {
    let mut report = BytesMut::new();
    pkt_line::line(&mut report, b"unpack ok\n");
    for update in updates {
        pkt_line::line(&mut report, format!("ng {} {summary}\n", update.name).as_bytes());
    }
    finished(style, report, lines_of(problem).into_iter().map(|line| format!("error: {line}")).collect())
}

fn finished(style: Style, mut report: BytesMut, words: Vec<String>) -> Bytes {
    report.put_slice(pkt_line::FLUSH);
    let mut body = BytesMut::new();
    if !style.has_bands {
        if style.report.is_some() {
            body.unsplit(report);
        }
        return body.freeze();
    }
    let left = words.len().saturating_sub(MOST_LINES);
    for word in words.iter().take(MOST_LINES) {
        pkt_line::band(&mut body, Band::Progress, format!("{}\n", one_line(word)).as_bytes());
    }
    if left > 0 {
        pkt_line::band(&mut body, Band::Progress, format!("and {left} more\n").as_bytes());
    }
    if style.report.is_some() {
        pkt_line::band(&mut body, Band::Data, &report);
    }
    body.put_slice(pkt_line::FLUSH);
    body.freeze()
}

/// What a ref came to, where that is not what was asked for.
fn options(report: &mut BytesMut, update: &RefUpdate, moved: &MovedRef) {
    if moved.old != update.old {
        pkt_line::line(report, format!("option old-oid {}\n", id(moved.old)).as_bytes());
    }
    if moved.new != update.new {
        pkt_line::line(report, format!("option new-oid {}\n", id(moved.new)).as_bytes());
    }
    if moved.is_forced {
        pkt_line::line(report, b"option forced-update\n");
    }
}

fn id(id: Option<ObjectId>) -> ObjectId {
    id.unwrap_or(ObjectId::ZERO)
}

fn good_news(update: &RefUpdate, moved: &MovedRef) -> Vec<String> {
    let name = short(&update.name);
    let mut words = Vec::new();
    if let Some((number, version)) = moved.proposal {
        words.push(format!("{name}: this is proposal {number}, version {version}: /api/proposals/{number}"));
        words.push(format!(
            "  to give it other commits: git push -o proposal={number} origin HEAD:{}",
            update.name
        ));
    }
    if let Some(sequence) = moved.sequence {
        words.push(format!("{name}: change set {sequence} is in force"));
    }
    if moved.is_merged {
        let new = id(moved.new).to_string();
        words.push(format!(
            "{name}: it had moved on and was merged, entry by entry: it is at {} now; `git pull` brings it here",
            &new[..12]
        ));
    }
    words
}

/// Why a ref was refused, with every place that is wrong.
fn reasons(name: &str, refusal: PushRefusal) -> Vec<String> {
    let name = short(name);
    let what = refusal.to_string();
    let mut words = match refusal {
        PushRefusal::Service(error) => lines_of(&error.into()),
        PushRefusal::Content(faults) | PushRefusal::Conflicts(faults) => {
            let mut words = vec![what];
            words.extend(faults.iter().map(|fault| format!("  {fault}")));
            words
        }
        PushRefusal::NoSuchRef { .. } | PushRefusal::Behind { .. } | PushRefusal::NotAlone => {
            vec![what]
        }
    };
    if let Some(first) = words.first_mut() {
        *first = format!("error: {name}: {first}");
    }
    words
}

/// A refusal in lines: what it is, then each place that is wrong.
pub fn lines_of(problem: &Problem) -> Vec<String> {
    let told = problem.to_wire();
    let mut lines = vec![told.detail.clone()];
    for item in told.errors.iter().filter(|item| item.message != told.detail) {
        let mut line = String::from("  ");
        if let Some(env) = &item.env {
            line.push_str(&format!("{env}: "));
        }
        if let Some(file) = &item.file {
            line.push_str(file);
            if let (Some(at), Some(column)) = (item.line, item.column) {
                line.push_str(&format!(":{at}:{column}"));
            }
            line.push_str(": ");
        }
        if let Some(path) = &item.path {
            line.push_str(&format!("{path}: "));
        }
        line.push_str(&item.message);
        if let Some(rule) = &item.rule {
            line.push_str(&format!(" [{rule}]"));
        }
        lines.push(line);
    }
    lines
}

/// A branch as people call it.
fn short(name: &str) -> &str {
    name.strip_prefix("refs/heads/").unwrap_or(name)
}

/// Text of anywhere on one line: a terminal shows it.
fn one_line(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(2_000).collect()
}
