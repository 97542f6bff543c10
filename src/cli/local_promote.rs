use super::CliError;
use super::layer_change::LayerChange;
use super::local::Local;
use crate::auth::WriteGrant;
use crate::client::{Place, Promotion};
use crate::present;
use crate::wire;

impl Local {
    /// What several changes of an environment's own layer would come to.
    pub fn preview(&self, place: &Place, changes: Vec<LayerChange>) -> Result<wire::Preview, CliError> {
        let edits = self.edits(place, changes)?;
        let (core, grant) = (self.project.core(), self.grant());
        let preview = core.preview(&core.reading(&grant), &edits)?;
        Ok(present::preview(&preview))
    }

    /// Brings what the layer of one environment says to another.
    pub fn promote(&self, promote: wire::Promote) -> Result<Promotion, CliError> {
        let (is_dry, message) = (promote.dry_run, promote.message.clone());
        let asked = present::asked_promotion(promote).map_err(|error| CliError::Usage(error.to_string()))?;
        let grants = (&self.grant(), &WriteGrant::local(self.account.clone()));
        if is_dry {
            let (plan, preview) = self.project.preview_promotion(grants.0, &asked)?;
            return Ok(Promotion::Made(Box::new(present::promotion_preview(&plan, &preview))));
        }
        let promoted = self.project.promote(grants, &asked, (message, None))?;
        Ok(match promoted.written {
            Some(written) => Promotion::Made(Box::new(present::promoted(&promoted.plan, &written))),
            None => Promotion::Conflicts(promoted.plan.undecided().map(present::conflict).collect()),
        })
    }
}
