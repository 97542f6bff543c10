//! Metrics: what the server counts and measures, in the OpenMetrics text format; and traces.
//!
//! `schemas/metrics.md` lists every one of them. What is counted along costs relaxed additions and no lock;
//! what can be looked up is looked up when somebody scrapes.

mod exposition;
mod histogram;
mod http;
mod present;
mod process;
mod project;
mod refusal;
pub mod trace;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use self::exposition::Exposition;

pub use self::histogram::Histogram;
pub use self::http::{HttpMetrics, RequestClass, UnderWay};
pub use self::present::{
    Present, PresentAudit, PresentCache, PresentClients, PresentEnvironment, PresentUpstream,
};
pub use self::project::{Phase, Posted, ProjectMetrics};
pub use self::refusal::Refusal;

/// All metrics of a server; a clone is the same one.
#[derive(Clone)]
pub struct Telemetry {
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Metrics {
    started: SystemTime,
    http: HttpMetrics,
    projects: Mutex<Vec<ProjectMetrics>>,
}

impl Telemetry {
    /// The metrics of a process that started at this moment.
    pub fn new(started: SystemTime) -> Self {
        let metrics = Arc::new(Metrics { started, http: HttpMetrics::default(), projects: Mutex::default() });
        let mut registry = Registry::default();
        registry.register_collector(Box::new(metrics.clone()));
        Telemetry { registry: Arc::new(registry), metrics }
    }

    /// What is measured of requests and connections.
    pub fn http(&self) -> &HttpMetrics {
        &self.metrics.http
    }

    /// The metrics of a project of this name, from now on part of what is shown.
    pub fn project(&self, name: &str) -> ProjectMetrics {
        let project = ProjectMetrics::named(name);
        self.metrics.projects().push(project.clone());
        project
    }

    /// Everything in the OpenMetrics text format. Looks at projects, a directory and `/proc`: blocks for a
    /// moment.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Metrics {
    fn projects(&self) -> std::sync::MutexGuard<'_, Vec<ProjectMetrics>> {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut exposition = Exposition::new(encoder);
        process::encode(&mut exposition, self.started)?;
        self.http.encode(&mut exposition)?;
        let projects = self.projects().clone();
        project::encode(&mut exposition, &projects)?;
        let presents: Vec<_> = projects.iter().filter_map(ProjectMetrics::present).collect();
        present::encode(&mut exposition, &presents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_projects_share_their_families() {
        let telemetry = Telemetry::new(SystemTime::UNIX_EPOCH);
        for name in ["shop", "a \"quoted\" one"] {
            let project = telemetry.project(name);
            project.refused(Refusal::Conflict);
            project.look_with(|| Some(Present::default()));
        }
        let text = telemetry.encode().unwrap();
        let mut families: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
        let count = families.len();
        families.sort_unstable();
        families.dedup();
        assert_eq!(families.len(), count, "a family stands twice: {text}");
        for line in [
            "confgit_refused_writes_total{project=\"shop\",reason=\"conflict\"} 1",
            "confgit_refused_writes_total{project=\"a \\\"quoted\\\" one\",reason=\"conflict\"} 1",
            "confgit_sequence{project=\"shop\"} 0.0",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
    }

    #[test]
    fn a_closed_project_keeps_its_counts_only() {
        let telemetry = Telemetry::new(SystemTime::UNIX_EPOCH);
        telemetry.project("gone").look_with(|| None);
        let text = telemetry.encode().unwrap();
        assert!(text.contains("confgit_change_sets_total{project=\"gone\"} 0"), "{text}");
        assert!(!text.contains("confgit_packs{"), "{text}");
    }
}
