use std::sync::Arc;
use std::time::SystemTime;

use axum::http::HeaderMap;

use crate::api::http::{App, caller};
use crate::auth::{Denied, Principal, ReadGrant};
use crate::service::Renew;

/// Finds out anew, as often as asked, what the caller of a request may read.
pub(in crate::api) fn of(app: &App, headers: &HeaderMap) -> Renew {
    let (core, anonymous) = (app.project.core().clone(), app.anonymous);
    // Kept as long as the connection is open, which shows it as well.
    let key: Option<Arc<str>> = caller::key(headers).map(Into::into);
    Arc::new(move || {
        let (core, key) = (core.clone(), key.clone());
        Box::pin(async move {
            let Some(key) = key else { return read_by(Principal::anonymous(anonymous)) };
            let now = || SystemTime::now().into();
            if core.identities().is_unchecked_token(&key, now()) {
                let (core, key) = (core.clone(), key.clone());
                let checked = tokio::task::spawn_blocking(move || core.identities().check_token(&key, now()));
                checked.await.map_err(|_| Denied::TokenKeysUnavailable)??;
            }
            core.identities().known(&key, now(), read_by)
        })
    })
}

fn read_by(principal: &Principal) -> Result<ReadGrant, Denied> {
    principal.may_read().cloned()
}
