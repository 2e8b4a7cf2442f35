use super::CodegenError;
use super::model::LayerModel;

pub(super) fn write(_layer: &LayerModel<'_>) -> Result<String, CodegenError> {
    Ok(String::new())
}
