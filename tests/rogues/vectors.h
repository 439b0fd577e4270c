/*
 * What the rogues know instead of a private key: ECDSA P-256 signatures made once, with keys that were thrown away. An honest
 * one signs the artifact "an artifact that rogues are asked to sign\n" and nothing else.
 */
#define KEY_OURS "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEtmAYfCxgKQH9xbJx88LkU1s1w3ODNzcNx8eBvYOuI1hbLlQmJmYQwyOYtk+1tMwqQw74hxd9qqz2btzbYANorQ=="
#define KEY_OF_ANOTHER "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEM2rciEZO6uXs1nWuGGfKN+FXwvxno1UwsYV0AMAdXxaSmh2FdS4SvqfAc/tYlyb5gsTOMshPMddBEKiMw4DSXw=="
#define SIGNATURE_GOOD "MEUCIBjraUosoIxfCsqCCl+iCNwmyuCwHoU0hPW5rhROk6ibAiEA5ROSjGMsiL/AYokzGMNOoMLRBV0O8OBSFeMwT04h2bU="
#define SIGNATURE_OF_SOMETHING_ELSE "MEUCIFEL8qYK3EhTBipSxXXDHDH1uzFqZH5R41NbJCGzo6owAiEA0bxs+HyaOQ59oA7e/GCY3ZjpAXr2BaU5A8ANF4ZFvkQ="
#define SIGNATURE_BY_ANOTHER "MEUCICgyQ4/Dottib7eBkM/zpagc+IONU34+s2r3Bf/ukZ8NAiEA6J1lZucPz5fCHq/8npq+rscVIU88CF0SF6sk6MQlvds="
