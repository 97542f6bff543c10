use std::convert::Infallible;
use std::time::Duration;

/// How often it is looked for memory to give back.
const LOOK: Duration = Duration::from_secs(1);

/// Lets the allocator give back to the system what a start, a push or an import took and nothing uses any more.
///
/// mimalloc keeps freed pages for a second, and then gives them back the next time that a thread frees one or ends
/// (`_mi_arenas_collect` in its sources). On a server at rest neither happens, and it would keep its peak for ever:
/// so a thread ends every second.
pub(super) async fn give_back() -> Infallible {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        // Where the system has no thread to spare, the next look will do.
        let _ = std::thread::Builder::new().name("memory".to_owned()).spawn(|| ());
    }
}
