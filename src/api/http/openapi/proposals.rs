use serde_json::json;

use super::components::Components;
use super::operation::Operation;
use super::parameter;
use crate::api::http::proposals;
use crate::wire;

pub(super) fn operations(components: &mut Components) -> Vec<Operation> {
    let told = ["Cache-Control"];
    let proposal = [("application/json", components.answer::<wire::Proposal>())];
    let new = components.refined::<wire::NewProposal>(|new| {
        new["properties"]["at"]["format"] = json!("date-time");
        new["properties"]["edits"]["minItems"] = json!(1);
    });
    let act = components.refined::<wire::ProposalAct>(|act| {
        let members = &mut act["properties"];
        members["at"]["format"] = json!("date-time");
        let resolutions = &mut members["resolutions"];
        resolutions["propertyNames"] = parameter::environment();
        resolutions["additionalProperties"]["propertyNames"] = parameter::path_text(0);
        resolutions["additionalProperties"]["maxProperties"] = json!(wire::MOST_RESOLUTIONS);
    });
    vec![
        Operation::new("get", "/api/proposals", "list_proposals", "The proposals that the caller may see")
            .tagged("proposals")
            .says(
                "The newest first. Who may read all that a proposal changes sees it. `next` is what to give as \
                 `older_than` for those before them.",
            )
            .problems(&[404])
            .pages(50, crate::service::MOST_PROPOSALS)
            .of_project()
            .query(&proposals::LIST)
            .answers(200, "They.", &told, &[("application/json", components.answer::<wire::Proposals>())]),
        Operation::new("post", "/api/proposals", "open_proposal", "Opens a proposal")
            .tagged("proposals")
            .says(
                "Takes edits as `POST /api/batch` does, and the rights that these take; nothing changes before it is merged. A \
                 write that others have to agree to becomes a proposal by itself (202).",
            )
            .of_project()
            .body(&[("application/json", new)])
            .answers(201, "The proposal.", &told, &proposal)
            .problems(&[404, 409, 412, 413, 415, 422, 503]),
        Operation::new("get", "/api/proposals/{number}", "get_proposal", "All that is known of a proposal")
            .tagged("proposals")
            .says(
                "What every environment would show if it were merged now, what is in the way, whose agreement it needs, and what \
                 happened to it.",
            )
            .of_project()
            .answers(200, "It.", &told, &[("application/json", components.answer::<wire::ProposalDetails>())])
            .problems(&[404, 503]),
        Operation::new("post", "/api/proposals/{number}/{act}", "act_on_proposal", "Does something to a proposal")
            .tagged("proposals")
            .says(
                "`comment` says `text`. `approve` agrees to it, `withdraw` takes that back; nobody agrees to what they had a part \
                 in. `schedule` lets it be merged from `at` on, `unschedule` does not. `edit` gives it further `edits`: a new \
                 version, which is agreed to anew. `resolve` merges what came meanwhile into it, where `take` and `resolutions` say what \
                 counts of what both changed: a new version, too. `merge` makes the change, where enough have agreed; `close` gives it up.",
            )
            .of_project()
            .body(&[("application/json", act)])
            .answers(200, "The proposal after it.", &told, &proposal)
            .problems(&[404, 409, 412, 413, 415, 422, 503]),
    ]
}
