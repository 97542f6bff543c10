use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ServiceError;
use super::core::Core;
use crate::auth::ReadGrant;
use crate::model::{Sequence, Timestamp};
use crate::resolve::Seen;
use crate::telemetry::{Phase, PresentClients};
use crate::watch::Client;

/// Somebody who watches, or is missed, as one of those who may look sees it.
#[derive(Debug, Clone)]
pub struct SeenClient {
    /// The client.
    pub client: Arc<Client>,
    /// When it left, where it is missed.
    pub left_at: Option<Timestamp>,
    /// How far behind it is.
    pub lag: Duration,
    /// Whether its address is told to who looks.
    pub is_address_told: bool,
}

impl Core {
    /// Who watches what the grant shows, the oldest watch first.
    pub fn clients(&self, grant: &ReadGrant) -> Vec<SeenClient> {
        let now = Instant::now();
        let seen = self.live.clients.connected().into_iter().filter(|client| shows(grant, client));
        seen.map(|client| SeenClient {
            lag: client.lag(now),
            left_at: None,
            is_address_told: tells_address(grant, &client),
            client,
        })
        .collect()
    }

    /// Who had a name, went without a word and has not come back since.
    pub fn lost_clients(&self, grant: &ReadGrant) -> Vec<SeenClient> {
        let lost = self.live.clients.lost(self.settings.load().clients.lost_after, Instant::now());
        lost.into_iter()
            .filter(|lost| shows(grant, &lost.client))
            .map(|lost| SeenClient {
                is_address_told: tells_address(grant, &lost.client),
                client: lost.client,
                left_at: Some(lost.left_at),
                lag: Duration::ZERO,
            })
            .collect()
    }

    /// Notes that a client of an account follows a change set, and all before it.
    pub fn acknowledge(&self, account: &str, id: &str, sequence: Sequence) -> Result<(), ServiceError> {
        let newest = self.index.load().sequence;
        if sequence > newest {
            let reason = format!("there is no change set {sequence} yet; the newest is {newest}");
            return Err(ServiceError::NoSuchPoint { reason });
        }
        let accepted = self.live.clients.acknowledge(account, id, sequence);
        let accepted = accepted.ok_or_else(|| ServiceError::NoClient { id: id.to_owned() })?;
        for accepted in accepted {
            self.metrics.took(Phase::Acknowledged, accepted.elapsed());
        }
        Ok(())
    }

    /// Takes leave of a client of an account: it is not missed.
    pub fn forget_client(&self, account: &str, id: &str) -> Result<(), ServiceError> {
        match self.live.clients.say_goodbye(account, id) {
            true => Ok(()),
            false => Err(ServiceError::NoClient { id: id.to_owned() }),
        }
    }

    /// Those who watch, in numbers.
    pub(super) fn present_clients(&self) -> PresentClients {
        let settings = self.settings.load().clients;
        let now = Instant::now();
        let lags: Vec<Duration> =
            self.live.clients.connected().iter().map(|client| client.lag(now)).collect();
        PresentClients {
            watching: self.live.watchers(),
            lost: self.live.clients.lost(settings.lost_after, now).len(),
            lagging: lags.iter().filter(|lag| **lag >= settings.lagging_after).count(),
            greatest_lag: lags.into_iter().max().unwrap_or_default(),
        }
    }
}

/// Whether somebody may know that a client watches: its own account, and who may read some of all that it watches.
fn shows(grant: &ReadGrant, client: &Client) -> bool {
    let watched = &client.watched;
    let sees = |prefix| grant.below(&watched.environment, prefix, true) != Seen::Nothing;
    *client.introduction.account == **grant.account() || watched.prefixes.iter().all(sees)
}

fn tells_address(grant: &ReadGrant, client: &Client) -> bool {
    grant.administers() || client.introduction.account == *grant.account()
}
