use super::{Check, Findings, Subject, counted};
use crate::service::OpenError;
use crate::service::load::{Loader, Scope};
use crate::service::meta::read_meta;
use crate::service::refs::branch_ref;
use crate::settings::ProjectSettings;

/// Reads settings and access the way a start does: what it would refuse is damage.
pub(super) fn check_settings(subject: &Subject<'_>) -> (Check, Option<ProjectSettings>) {
    let mut findings = Findings::of("settings");
    let found = match read_meta(subject.dir, &subject.meta) {
        Ok((settings, _)) => Some(settings),
        Err(OpenError::Settings { mistakes, .. }) => {
            mistakes.iter().for_each(|mistake| findings.damaged(format!("meta.git: {mistake}")));
            None
        }
        Err(OpenError::NoProject { .. }) => {
            findings.damaged("meta.git: its branch main is missing");
            None
        }
        Err(error) => {
            findings.damaged(format!("meta.git: {error}"));
            None
        }
    };
    let environments = found.as_ref().map_or(0, |settings| settings.environments.iter().count());
    (findings.end(counted(environments, "environment")), found)
}

/// Reads every document of every environment's branch; answers how many entries there are, too.
pub(super) fn check(subject: &Subject<'_>, settings: Option<&ProjectSettings>) -> (Check, usize) {
    let mut findings = Findings::of("documents");
    let (mut files, mut entries) = (0, 0);
    let Some(settings) = settings else {
        findings.note("not read: the settings do not say which branches there are");
        return (findings.end("nothing"), 0);
    };
    let reader = subject.config.reader();
    for environment in settings.environments.iter() {
        let Some(head) = subject.moment.refs.get(&branch_ref(&environment.branch)) else {
            findings
                .note(format!("{}: its branch {} does not exist yet", environment.name, environment.branch));
            continue;
        };
        match (Loader { reader: &reader, limits: &settings.limits }).load(*head, Scope::Everything) {
            Ok(snapshot) => {
                files += snapshot.files().count();
                entries += snapshot.root().entries();
                for problem in snapshot.problems() {
                    findings.warn(format!("{}: {}", environment.name, problem.diagnostic));
                }
            }
            Err(error) => findings.damaged(format!("{}: {error}", environment.name)),
        }
    }
    (findings.end(format!("{}, {}", counted(files, "file"), counted(entries, "entry"))), entries)
}
