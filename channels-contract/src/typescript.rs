//! The TypeScript client.

use crate::contract::Contract;
use crate::outputs::heading;

/// Writes the module.
pub(crate) fn typescript(contract: &Contract) -> Result<String, String> {
    Ok(format!("// {}\n", heading(contract)))
}

pub(crate) fn javascript(contract: &Contract) -> Result<String, String> {
    Ok(format!("// {}\n", heading(contract)))
}

pub(crate) fn declarations(contract: &Contract) -> Result<String, String> {
    Ok(format!("// {}\n", heading(contract)))
}
