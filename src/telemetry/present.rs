use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::exposition::{Exposition, Labels};
use crate::model::Sequence;

/// How a project is at the moment of a scrape: what can be looked up is not counted along.
#[derive(Debug, Default)]
pub struct Present {
    /// The last change set that readers see.
    pub sequence: Sequence,
    /// The oldest change set after which the project can be seen.
    pub oldest_sequence: Sequence,
    /// The last change set in the history index.
    pub history_covered: Sequence,
    /// Whether writes are possible.
    pub is_writable: bool,
    /// How many writes wait for the committer.
    pub waiting_writes: usize,
    /// How many packs the repository of the configuration has.
    pub packs: usize,
    /// The environments, in the order of the settings.
    pub environments: Vec<PresentEnvironment>,
    /// The audit log.
    pub audit: PresentAudit,
    /// Who watches.
    pub clients: PresentClients,
    /// The upstream.
    pub upstream: PresentUpstream,
    /// The caches.
    pub caches: Vec<PresentCache>,
}

/// Who watches at present.
#[derive(Debug, Default)]
pub struct PresentClients {
    /// How many watches are open.
    pub watching: usize,
    /// How many that had a name went without a word, and did not come back.
    pub lost: usize,
    /// How many are further behind than the settings allow.
    pub lagging: usize,
    /// How far the one that is furthest behind is behind.
    pub greatest_lag: Duration,
}

/// How the upstream is followed at present; all zero where there is none.
#[derive(Debug, Default)]
pub struct PresentUpstream {
    /// Whether it cannot be reached, or a branch waits for somebody.
    pub is_failing: bool,
    /// When it was reached last, in seconds since 1970.
    pub last_contact: i64,
    /// How many commits are here and not there.
    pub ahead: u64,
    /// How many are there and not here.
    pub behind: u64,
    /// How many pull requests are open that go to an environment.
    pub pulls: usize,
    /// How many of them are not as they should be.
    pub bad_pulls: usize,
    /// Whether they cannot be checked, or the forge not told.
    pub pulls_failing: bool,
}

/// How the audit log is at present.
#[derive(Debug, Default)]
pub struct PresentAudit {
    /// The number of its last durable record.
    pub records: u64,
    /// How many records found no room since the start.
    pub lost: u64,
    /// Whether more can be written.
    pub is_writable: bool,
}

/// How an environment's own layer is at present.
#[derive(Debug)]
pub struct PresentEnvironment {
    /// The environment.
    pub name: Arc<str>,
    /// How many entries its layer holds.
    pub entries: usize,
    /// How many files hold them.
    pub files: usize,
    /// How many problems it has, by rule.
    pub problems: Vec<(&'static str, usize)>,
}

/// How a cache is at present, and how it did since the start.
#[derive(Debug)]
pub struct PresentCache {
    /// Its name.
    pub name: &'static str,
    /// How many bytes it holds.
    pub bytes: u64,
    /// How often it had what was asked for.
    pub hits: u64,
    /// How often it had not.
    pub misses: u64,
}

/// The names of projects, and how each is.
pub(super) type Presents = [(Arc<str>, Present)];

pub(super) fn encode(exposition: &mut Exposition<'_>, presents: &Presents) -> fmt::Result {
    encode_projects(exposition, presents)?;
    encode_environments(exposition, presents)?;
    encode_caches(exposition, presents)
}

fn encode_projects(exposition: &mut Exposition<'_>, presents: &Presents) -> fmt::Result {
    type Value = fn(&Present) -> f64;
    let gauges: [(&str, &str, Value); 19] = [
        ("confgit_sequence", "The last change set that readers see.", |present| present.sequence.0 as f64),
        (
            "confgit_oldest_sequence",
            "The oldest change set after which the project can be seen.",
            |present| present.oldest_sequence.0 as f64,
        ),
        ("confgit_history_covered", "The last change set in the history index.", |present| {
            present.history_covered.0 as f64
        }),
        ("confgit_writable", "1 while writes are possible, else 0.", |present| {
            f64::from(u8::from(present.is_writable))
        }),
        ("confgit_waiting_writes", "Writes that wait for the committer.", |present| {
            present.waiting_writes as f64
        }),
        ("confgit_audit_record", "The number of the audit log's last durable record.", |present| {
            present.audit.records as f64
        }),
        ("confgit_audit_writable", "1 while the audit log can be written, else 0.", |present| {
            f64::from(u8::from(present.audit.is_writable))
        }),
        ("confgit_watchers", "Watches that are open.", |present| present.clients.watching as f64),
        ("confgit_clients_lost", "Clients with a name that went without a word.", |present| {
            present.clients.lost as f64
        }),
        (
            "confgit_clients_lagging",
            "Clients further behind than `lagging_after` in the settings.",
            |present| present.clients.lagging as f64,
        ),
        ("confgit_client_lag_seconds", "How far the client that is furthest behind is behind.", |present| {
            present.clients.greatest_lag.as_secs_f64()
        }),
        (
            "confgit_upstream_failing",
            "1 while the upstream cannot be reached or a branch waits for somebody, else 0.",
            |present| f64::from(u8::from(present.upstream.is_failing)),
        ),
        (
            "confgit_upstream_last_contact_seconds",
            "When the upstream was reached last, since 1970; 0 without.",
            |present| present.upstream.last_contact as f64,
        ),
        ("confgit_upstream_ahead", "Commits that the upstream does not have yet.", |present| {
            present.upstream.ahead as f64
        }),
        ("confgit_upstream_behind", "Commits of the upstream that are not taken in.", |present| {
            present.upstream.behind as f64
        }),
        ("confgit_pull_requests", "Open pull requests that go to an environment.", |present| {
            present.upstream.pulls as f64
        }),
        ("confgit_pull_requests_bad", "Those of them that would be refused.", |present| {
            present.upstream.bad_pulls as f64
        }),
        (
            "confgit_pull_requests_failing",
            "1 while pull requests cannot be checked or the forge cannot be told, else 0.",
            |present| f64::from(u8::from(present.upstream.pulls_failing)),
        ),
        ("confgit_packs", "Packs in the configuration's repository.", |present| present.packs as f64),
    ];
    for (name, help, value) in gauges {
        let samples = presents.iter().map(|(project, present)| (labels(project), value(present)));
        exposition.gauges(name, help, samples)?;
    }
    let lost = presents.iter().map(|(project, present)| (labels(project), present.audit.lost));
    exposition.counters("confgit_audit_lost", "Records that the audit log had no room for.", lost)
}

fn encode_environments(exposition: &mut Exposition<'_>, presents: &Presents) -> fmt::Result {
    let all = || {
        presents.iter().flat_map(|(project, present)| {
            present.environments.iter().map(move |environment| {
                let mut labels = labels(project);
                labels.push(("env", (&*environment.name).into()));
                (labels, environment)
            })
        })
    };
    let entries = all().map(|(labels, environment)| (labels, environment.entries as f64));
    exposition.gauges("confgit_entries", "Entries that an environment's own layer holds.", entries)?;
    let files = all().map(|(labels, environment)| (labels, environment.files as f64));
    exposition.gauges("confgit_files", "Files of an environment's branch.", files)?;
    let problems = all().flat_map(|(labels, environment)| {
        environment.problems.iter().map(move |(rule, count)| {
            let mut labels = labels.clone();
            labels.push(("rule", (*rule).into()));
            (labels, *count as f64)
        })
    });
    exposition.gauges(
        "confgit_problems",
        "What is wrong with an environment, by rule: with its files, and with what it shows.",
        problems,
    )
}

fn encode_caches(exposition: &mut Exposition<'_>, presents: &Presents) -> fmt::Result {
    let all = || {
        presents.iter().flat_map(|(project, present)| {
            present.caches.iter().map(move |cache| {
                let mut labels = labels(project);
                labels.push(("cache", cache.name.into()));
                (labels, cache)
            })
        })
    };
    let bytes = all().map(|(labels, cache)| (labels, cache.bytes as f64));
    exposition.gauges("confgit_cache_bytes", "What a cache holds.", bytes)?;
    let hits = all().map(|(labels, cache)| (labels, cache.hits));
    exposition.counters("confgit_cache_hits", "How often a cache had what was asked for.", hits)?;
    let misses = all().map(|(labels, cache)| (labels, cache.misses));
    exposition.counters("confgit_cache_misses", "How often a cache had not what was asked for.", misses)
}

/// The label that every metric of a project has.
pub(super) fn labels(project: &Arc<str>) -> Labels<'_> {
    vec![("project", (&**project).into())]
}
