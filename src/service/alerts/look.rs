use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::Alert;
use crate::model::Path;
use crate::service::core::Core;
use crate::service::upstream::Overruling;
use crate::watch::Client;

/// How many paths one alert names.
const MOST_PATHS: usize = 100;

/// Whom something was told about: account and name.
type Who = (Arc<str>, Arc<str>);

/// Remembers who is lost and who lags, so that each is told once, and again when that is over.
#[derive(Debug, Default)]
pub(super) struct Looker {
    lost: BTreeMap<Who, Arc<Client>>,
    lagging: BTreeMap<Who, Arc<Client>>,
}

impl Looker {
    /// What happened since the last look.
    pub fn look(&mut self, core: &Core) -> Vec<Alert> {
        let (rules, now) = (core.settings.load().clients, Instant::now());
        let who = |client: &Arc<Client>| (client.introduction.account.clone(), client.id.clone());
        let lost = core.live.clients.lost(rules.lost_after, now);
        let lost = lost.into_iter().map(|lost| (who(&lost.client), lost.client)).collect();
        let connected = core.live.clients.connected();
        let here: BTreeSet<Who> = connected.iter().map(who).collect();
        let lagging = connected.into_iter().filter(|client| client.lag(now) >= rules.lagging_after);
        let lagging = lagging.map(|client| (who(&client), client)).collect();
        let mut alerts = Vec::new();
        let tell = |alerts: &mut Vec<Alert>, kind, client: &Client| {
            alerts.push(Alert { kind, data: data_of(client, now) });
        };
        changes(&self.lost, &lost, |is_new, who, client| match is_new {
            true => tell(&mut alerts, "client.lost", client),
            // One that took leave, or is forgotten, did not come back.
            false if here.contains(who) => tell(&mut alerts, "client.found", client),
            false => {}
        });
        changes(&self.lagging, &lagging, |is_new, who, client| match is_new {
            true => tell(&mut alerts, "client.lagging", client),
            false if here.contains(who) => tell(&mut alerts, "client.caught_up", client),
            false => {}
        });
        (self.lost, self.lagging) = (lost, lagging);
        let overruled = core.upstream.take_untold();
        alerts.extend(overruled.iter().map(|overruling| overruled_alert(core, overruling)));
        alerts
    }
}

/// That the upstream's side was taken where both changed the same: whose entries, and what brings them back.
fn overruled_alert(core: &Core, overruling: &Overruling) -> Alert {
    let Overruling { sequence, proposal, paths } = overruling;
    let held = proposal.and_then(|number| core.find_proposal(number).ok());
    let proposal = held.map(|held| held.proposal);
    let shown: Vec<&str> = paths.iter().take(MOST_PATHS).map(Path::as_str).collect();
    let data = json!({
        "sequence": sequence.0,
        "entries": paths.len(),
        "paths": shown,
        "env": proposal.as_ref().and_then(|proposal| Some(proposal.heads.first()?.environment.clone())),
        "proposal": proposal.as_ref().map(|proposal| proposal.number),
        "accounts": proposal.map(|proposal| proposal.contributors.clone()).unwrap_or_default(),
    });
    Alert { kind: "upstream.overruled", data }
}

/// Calls `visit` with what is only in the one (false) or in the other (true).
fn changes(
    old: &BTreeMap<Who, Arc<Client>>,
    new: &BTreeMap<Who, Arc<Client>>,
    mut visit: impl FnMut(bool, &Who, &Client),
) {
    for (who, client) in old.iter().filter(|(who, _)| !new.contains_key(who)) {
        visit(false, who, client);
    }
    for (who, client) in new.iter().filter(|(who, _)| !old.contains_key(who)) {
        visit(true, who, client);
    }
}

fn data_of(client: &Client, now: Instant) -> serde_json::Value {
    let watching: Vec<String> = client.watched.prefixes.iter().map(ToString::to_string).collect();
    json!({
        "id": &*client.id,
        "account": &*client.introduction.account,
        "env": &*client.watched.environment,
        "watching": watching,
        "sequence": client.sequence().0,
        "acknowledged": client.acknowledged().map(|sequence| sequence.0),
        "lag_ms": u64::try_from(client.lag(now).as_millis()).unwrap_or(u64::MAX),
        "connected_at": client.connected_at.to_string(),
    })
}
