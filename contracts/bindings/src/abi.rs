//! Bindings generated from the committed ABI and bytecode.

#![allow(missing_docs, clippy::too_many_arguments)]

// `sol!` reads its attributes itself and knows no `cfg_attr`, hence each binding twice.

#[cfg(feature = "rpc")]
mod generated {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        RingMultisig,
        "artifacts/RingMultisig.json"
    );
    alloy::sol! {
        #[sol(rpc)]
        #[derive(Debug, PartialEq, Eq)]
        interface IERC20 {
            event Transfer(address indexed from, address indexed to, uint256 value);
            function balanceOf(address account) external view returns (uint256);
            function decimals() external view returns (uint8);
            function symbol() external view returns (string memory);
            function transfer(address to, uint256 value) external returns (bool);
        }
    }
}

#[cfg(not(feature = "rpc"))]
mod generated {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        RingMultisig,
        "artifacts/RingMultisig.json"
    );
    alloy::sol! {
        #[derive(Debug, PartialEq, Eq)]
        interface IERC20 {
            event Transfer(address indexed from, address indexed to, uint256 value);
            function balanceOf(address account) external view returns (uint256);
            function decimals() external view returns (uint8);
            function symbol() external view returns (string memory);
            function transfer(address to, uint256 value) external returns (bool);
        }
    }
}

pub use generated::{IERC20, IRingMultisig, RingMultisig};
