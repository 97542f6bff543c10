use std::io;

use super::{Check, Findings, Subject, counted};
use crate::git::{Repository, check_objects, pack_bytes};
use crate::model::ObjectId;
use crate::service::progress::Progress;

/// Reads and hashes every object of both repositories, and follows what the references lead to.
pub(super) fn check(subject: &Subject<'_>, progress: &mut dyn Progress) -> io::Result<Check> {
    let mut findings = Findings::of("objects");
    let mut objects = 0;
    progress.begin("checking objects", pack_bytes(&subject.config)? + pack_bytes(&subject.meta)?);
    let both: [(&str, &Repository, _); 2] = [
        ("config.git", &subject.config, &subject.moment.refs),
        ("meta.git", &subject.meta, &subject.meta_refs),
    ];
    for (name, repository, refs) in both {
        let tips: Vec<(String, ObjectId)> = refs.iter().map(|(name, id)| (name.clone(), *id)).collect();
        let found = check_objects(repository, &tips, &mut |bytes| progress.advance(bytes))?;
        objects += found.objects;
        for fault in found.faults {
            findings.damaged(format!("{name}: {fault}"));
        }
        findings.add_uncounted(found.more);
    }
    Ok(findings.end(counted(objects, "object")))
}
