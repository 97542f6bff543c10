use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path as FilePath;
use std::time::SystemTime;

use serde_json::json;

use super::queue::Delivery;
use crate::model::Timestamp;
use crate::service::layout::DERIVED;

/// Where alerts are that nobody took, one JSON object a line; the older ones when that is full.
const FILE: &str = "dead-alerts.jsonl";
const OLDER: &str = "dead-alerts.older.jsonl";

/// How large the file may be.
const MOST_BYTES: u64 = 4 << 20;

/// Puts an alert aside that was given up.
pub(super) fn keep(dir: &FilePath, delivery: &Delivery, reason: &str) -> io::Result<()> {
    let file = dir.join(DERIVED).join(FILE);
    if fs::metadata(&file).is_ok_and(|found| found.len() >= MOST_BYTES) {
        fs::rename(&file, dir.join(DERIVED).join(OLDER))?;
    }
    let body: serde_json::Value = serde_json::from_str(&delivery.body).unwrap_or_default();
    let line = json!({
        "given_up_at": Timestamp::from(SystemTime::now()).to_string(),
        "webhook": delivery.webhook,
        "id": delivery.id,
        "attempts": delivery.attempts,
        "reason": reason,
        "alert": body,
    });
    let mut file = OpenOptions::new().create(true).append(true).open(file)?;
    writeln!(file, "{line}")
}
