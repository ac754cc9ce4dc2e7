// An ordinary account with one key and no cap: the least that a payment can cost.

export class Account {
  constructor(chain, account) {
    this.chain = chain;
    this.account = account;
  }

  get address() {
    return this.account.address;
  }

  /** Pays; an account takes a transaction for each payment, so only one is taken here. */
  async pay([{ asset, to, amount }]) {
    return this.chain.send(this.account, asset.payment(to, amount));
  }
}
