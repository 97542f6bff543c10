use std::sync::Arc;

use crate::auth::{AccessRule, Account, Action, Approvals, Covers, Key, Object};
use crate::model::Timestamp;
use crate::service::{AccessExplained, AuditItem, AuditPage, AuditReport};
use crate::wire;

/// An account, as far as it may be told.
pub fn account(account: &Account, now: Timestamp) -> wire::Account {
    wire::Account {
        name: account.name.to_string(),
        kind: account.kind.name().to_owned(),
        description: account.description.clone(),
        teams: account.teams.iter().map(ToString::to_string).collect(),
        disabled: account.is_disabled,
        keys: account.keys.iter().map(|key| key_of(key, now)).collect(),
    }
}

fn key_of(key: &Key, now: Timestamp) -> wire::AccountKey {
    wire::AccountKey {
        id: key.hash.id(),
        description: key.description.clone(),
        created_at: key.created_at.map(|at| at.to_string()),
        expires_at: key.expires_at.map(|at| at.to_string()),
        expired: key.is_expired(now),
        last_used_at: key.last_use.get().map(|at| at.to_string()),
    }
}

/// What the rules say of an action.
pub fn access(explained: &AccessExplained) -> wire::AccessExplanation {
    let (path, secret) = match &explained.object {
        Object::Path(path) => (Some(path.to_string()), None),
        Object::Secret(name) => (None, Some(name.clone())),
        Object::Anything | Object::Project => (None, None),
    };
    let rule = |rule: &AccessRule| access_rule(rule, explained.action);
    wire::AccessExplanation {
        account: explained.account.to_string(),
        action: explained.action.name().to_owned(),
        path,
        secret,
        env: explained.environment.to_string(),
        allowed: explained.is_allowed,
        reason: explained.reason.clone(),
        rule: explained.rule.as_ref().map(rule),
        others: explained.others.iter().map(rule).collect(),
        approvals: explained.approvals.iter().filter_map(approval).collect(),
    }
}

fn approval((environment, rule): &(Arc<str>, AccessRule)) -> Option<wire::NeededApproval> {
    let Approvals { count, teams } = rule.approvals.as_ref()?;
    Some(wire::NeededApproval {
        env: environment.to_string(),
        rule: rule.number,
        count: *count,
        teams: teams.iter().map(ToString::to_string).collect(),
    })
}

fn access_rule(rule: &AccessRule, action: Action) -> wire::AccessRule {
    wire::AccessRule {
        number: rule.number,
        description: rule.description.clone(),
        allows: rule.allows(action),
        about: rule.subjects().into_iter().map(str::to_owned).collect(),
        environments: rule
            .environments
            .as_ref()
            .map(|environments| environments.iter().map(ToString::to_string).collect()),
        covers: match rule.covers {
            Covers::Layer => "layer",
            Covers::View => "view",
        }
        .to_owned(),
    }
}

/// A page of what happened.
pub fn audit(page: &AuditPage) -> wire::Audit {
    wire::Audit {
        items: page.items.iter().map(audit_item).collect(),
        damage: page.damage.clone(),
        next: page.next.map(|next| next.to_string()),
    }
}

fn audit_item(item: &AuditItem) -> wire::AuditItem {
    match item {
        AuditItem::Changed { at, account, environment, sequence, revision, entries, paths, message } => {
            wire::AuditItem {
                at: at.to_string(),
                what: "changed".to_owned(),
                account: Some(account.to_string()),
                env: Some(environment.to_string()),
                paths: paths.iter().map(ToString::to_string).collect(),
                entries: Some(*entries),
                detail: (!message.is_empty()).then(|| message.clone()),
                sequence: Some(sequence.0),
                revision: revision.map(|revision| revision.to_string()),
                ..Default::default()
            }
        }
        AuditItem::SettingsChanged { at, account, revision, message } => wire::AuditItem {
            at: at.to_string(),
            what: "settings-changed".to_owned(),
            account: Some(account.to_string()),
            detail: Some(message.clone()),
            revision: Some(revision.to_string()),
            ..Default::default()
        },
        AuditItem::Recorded(entry) => wire::AuditItem {
            at: entry.at.to_string(),
            what: entry.what.to_string(),
            account: entry.account.clone(),
            action: entry.action.clone(),
            env: entry.environment.clone(),
            paths: entry.path.iter().cloned().collect(),
            entries: None,
            secret: entry.secret.clone(),
            rule: entry.rule.clone(),
            detail: entry.detail.clone(),
            address: entry.address.clone(),
            request_id: entry.request_id.clone(),
            count: (entry.count > 1).then_some(entry.count),
            sequence: None,
            revision: None,
            record: Some(entry.number),
            hash: Some(entry.hash.to_string()),
        },
    }
}

/// What a look at the whole audit log came to.
pub fn audit_report(report: &AuditReport) -> wire::AuditReport {
    wire::AuditReport {
        sound: report.faults.is_empty(),
        records: report.records,
        head: report.head.map(|head| head.to_string()),
        anchors: report.anchors,
        faults: report.faults.clone(),
    }
}
