//! The layers of this process by alias, as in Django's `CHANNEL_LAYERS`.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::error::LayerError;
use crate::layer::handle::ChannelLayer;
use crate::support::lock;

static LAYERS: Mutex<Option<HashMap<String, ChannelLayer>>> = Mutex::new(None);

/// Returns the layer that is installed under this name: Django's `get_channel_layer()`.
///
/// [`Channels::install`](crate::Channels::install) and [`ChannelLayer::install`] install one. Building an application installs
/// nothing.
///
/// ```
/// use channels_runtime::prelude::*;
///
/// assert!(channel_layer("default").is_err());
/// let channels = Channels::builder().build()?;
/// channels.install("default");
/// let layer = channel_layer("default")?;
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// [`LayerError::NoSuchLayer`] if no layer is installed under that name.
pub fn channel_layer(alias: &str) -> Result<ChannelLayer, LayerError> {
    let layers = lock(&LAYERS);
    let layer = layers.as_ref().and_then(|layers| layers.get(alias));
    layer.cloned().ok_or_else(|| LayerError::NoSuchLayer { alias: alias.into() })
}

impl ChannelLayer {
    /// Installs this layer under a name: [`channel_layer`] returns it from then on, in this whole process. A layer that was
    /// installed under the same name is replaced.
    pub fn install(&self, alias: &str) {
        let mut layers = lock(&LAYERS);
        layers.get_or_insert_default().insert(alias.into(), self.clone());
    }
}
