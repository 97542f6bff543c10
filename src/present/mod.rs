//! What the service says, as it travels: shared by the HTTP door and by the command line on a local project.

mod access;
mod asked_promotion;
mod change;
mod client;
mod commit;
mod entry;
mod environment;
mod event;
mod explanation;
mod listing;
mod preview;
mod promotion;
mod proposal;
mod status;
mod unified;
mod written;

pub use access::{access, account, audit, audit_report};
pub use asked_promotion::{PromotionError, asked_promotion, resolving};
pub use change::{change, diff};
pub use client::client;
pub use commit::{commit, commit_details, commit_diff};
pub use entry::{default_entry, entry, history_item, null, raw, with_value};
pub use environment::{environments, written_environment};
pub use event::event;
pub use explanation::explanation;
pub use listing::{is_shown, listing};
pub use preview::preview;
pub use promotion::{conflict, promoted, promotion_preview};
pub use proposal::{proposal, proposal_details, proposal_url, proposed};
pub use status::{finding_item, problem_item, status};
pub use unified::unified;
pub use written::{batch, written};
