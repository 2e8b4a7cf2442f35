use std::collections::BTreeSet;

use serde_json::Value;

use crate::Fault;

/// Lists whom a layer version's policy lets in: accounts by their twelve digits, organisations by their ids, `*` for
/// everyone, and what is none of these as it stands there.
pub(crate) fn principals(policy: &str) -> Result<BTreeSet<String>, Fault> {
    let odd = |error: serde_json::Error| Fault::odd("GetLayerVersionPolicy", error.to_string());
    let policy: Value = serde_json::from_str(policy).map_err(odd)?;
    let statements = each(&policy["Statement"]);
    Ok(statements.flat_map(of_statement).collect())
}

fn of_statement(statement: &Value) -> Vec<String> {
    let organizations = statement["Condition"]["StringEquals"]["aws:PrincipalOrgID"].clone();
    let principal = match &statement["Principal"] {
        Value::Object(kinds) => kinds.values().flat_map(each).collect(),
        other => each(other).collect::<Vec<_>>(),
    };
    let texts = principal.into_iter().map(|one| {
        let text = one.as_str().unwrap_or("*");
        // arn:aws:iam::ACCOUNT:root
        let account = text.split(':').nth(4).filter(|account| !account.is_empty());
        account.unwrap_or(text).to_owned()
    });
    texts
        .flat_map(|text| match (text.as_str(), organizations.is_null()) {
            ("*", false) => {
                each(&organizations).map(|id| id.as_str().unwrap_or("*").to_owned()).collect()
            }
            _ => vec![text],
        })
        .collect()
}

/// Policies write one thing as itself or as a list.
fn each(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(list) => Box::new(list.iter()),
        one => Box::new(std::iter::once(one)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_who_is_let_in_is_found() {
        let policy = r#"{"Version":"2012-10-17","Id":"default","Statement":[
            {"Sid":"a","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":"lambda:GetLayerVersion"},
            {"Sid":"b","Effect":"Allow","Principal":{"AWS":["111111111111"]},"Action":"lambda:GetLayerVersion"},
            {"Sid":"c","Effect":"Allow","Principal":"*","Action":"lambda:GetLayerVersion",
             "Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-abcdefghij"}}},
            {"Sid":"d","Effect":"Allow","Principal":"*","Action":"lambda:GetLayerVersion"}]}"#;
        let found = principals(policy).expect("it is a policy");
        let expected = ["*", "111111111111", "210987654321", "o-abcdefghij"];
        assert_eq!(found, BTreeSet::from(expected.map(str::to_owned)));
    }
}
