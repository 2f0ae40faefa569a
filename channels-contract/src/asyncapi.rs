//! The AsyncAPI 3.0 document.

use crate::contract::Contract;

/// Writes the document as JSON.
pub(crate) fn asyncapi(contract: &Contract) -> Result<String, String> {
    let document = serde_json::json!({ "asyncapi": "3.0.0", "info": { "title": contract.name } });
    Ok(format!("{document:#}\n"))
}
