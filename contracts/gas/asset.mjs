// What is paid: the native coin, or a plain OpenZeppelin ERC-20. Both know how an ordinary account pays them, and how much of
// them somebody has.

import { readFileSync } from "node:fs";
import { encodeFunctionData, erc20Abi, zeroAddress } from "viem";

const TOKEN_ARTIFACT = new URL("../../anvil/artifacts/DemoToken.json", import.meta.url);
const SUPPLY = 10n ** 27n;

export const nativeCoin = {
  name: "native coin",
  /** How the asset is named in a charter. */
  address: zeroAddress,
  /** The transaction of an account, or the call of a contract, that pays. */
  payment: (to, amount) => ({ to, value: amount, data: "0x" }),
  balanceOf: (chain, address) => chain.client.getBalance({ address }),
};

/** Deploys the token; the chain's deployer gets all of it. */
export async function deployToken(chain) {
  const { abi, bytecode } = JSON.parse(readFileSync(TOKEN_ARTIFACT, "utf8"));
  const { address } = await chain.deploy({ abi, bytecode: bytecode.object }, [SUPPLY]);
  return {
    name: "ERC-20",
    address,
    payment: (to, amount) => ({
      to: address,
      value: 0n,
      data: encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [to, amount] }),
    }),
    balanceOf: (chain, owner) =>
      chain.client.readContract({ address, abi: erc20Abi, functionName: "balanceOf", args: [owner] }),
  };
}
