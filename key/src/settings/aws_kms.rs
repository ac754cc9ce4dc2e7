use super::{Reader, service};
use crate::aws_kms::AwsKmsSettings;

impl AwsKmsSettings {
    /// The table `aws_kms` is as they are; whether they can be.
    pub fn check(self, reader: &mut impl Reader) -> Option<Self> {
        if let Some(endpoint) = &self.endpoint {
            service(reader, "aws_kms.endpoint", endpoint)?;
        }
        Some(self)
    }
}
