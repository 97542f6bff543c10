use std::collections::BTreeMap;

use super::decide::written;
use super::{Batch, Decided};
use crate::model::Path;
use crate::service::committer::request::{Edit, Precondition, Promotion, WrittenEdit};
use crate::service::committer::stage::Stage;
use crate::service::{ServiceError, Unmet, entity_tag};

impl Batch<'_> {
    /// What a promotion comes to. It was worked out on what readers saw: where an entry is another by now, it has to be
    /// worked out again.
    pub(super) fn decide_promotion(
        &mut self,
        edit: &Edit,
        promotion: &Promotion,
    ) -> Result<(Vec<Decided>, Vec<WrittenEdit>), ServiceError> {
        let environment = self.environment(&edit.environment)?;
        let working = self.branch(&environment.branch)?;
        let mut stage = Stage::new(&working.snapshot, &*self.texts, self.context.limits);
        let view = self.view(environment, &BTreeMap::new(), &stage.draft);
        for entry in &promotion.entries {
            let current = view.find(&entry.path).map(|found| entity_tag(&found));
            if current == entry.seen {
                continue;
            }
            let expected = match &entry.seen {
                None => Precondition::Absent,
                Some(tag) => Precondition::OneOf(vec![tag.clone()]),
            };
            let path = entry.path.clone();
            return Err(ServiceError::PreconditionFailed(Box::new(Unmet {
                path,
                expected,
                current,
                version: None,
            })));
        }
        // What describes entries of a part stands beside it: all that changes is told.
        let noted = WrittenEdit { path: Path::root(), ..written(environment, &stage, edit) };
        stage.promote(&promotion.entries)?;
        let (branch, files) = (environment.branch.clone(), stage.into_files());
        let decided = self.decide_branch(branch, files, promotion.is_decided)?;
        Ok((decided.into_iter().collect(), vec![noted]))
    }
}
