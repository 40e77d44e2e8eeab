"""An RSA key for tests: that of an app at the Salesforce of the tests."""

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

# Two primes.
P = int(
    "fc5f90b4cbf5972fadcb38dbb599f376574a9369246c3be6a856f308f4b36280fc9275280eca653cbc445b05"
    "45e057db7bfb50b63e0c8fa48c45b0d3d0ae32ad06b290c823b3c1c2f2c7898bdbe1d3990f9c8443f410c19c"
    "920bee87ab16a3c4bdb1b2dfb3d700389fc1ed90045a412cb3f0cf2f6869f3ce71c8718610748f35",
    16,
)
Q = int(
    "cc12c981ac2eb7a49974dd3d84b08f8712b4acc2c8af12170cf289e730798f2e6688d9e50d9d12a2c36b47ff"
    "c7fd1c78a6f463f7bba050010401888c63bb106bc72de93d42dc0f392af67630a2ca1d13045b4fb89b86860c"
    "f25bb6e5d5904f41fbfe24573fe65d7a4fe988cee7ee849934f4ee9c63b6a394529604da7c070e25",
    16,
)
E = 65537


def private_key():
    d = pow(E, -1, (P - 1) * (Q - 1))
    public = rsa.RSAPublicNumbers(E, P * Q)
    numbers = rsa.RSAPrivateNumbers(
        P, Q, d, rsa.rsa_crt_dmp1(d, P), rsa.rsa_crt_dmq1(d, Q), rsa.rsa_crt_iqmp(P, Q), public
    )
    return numbers.private_key()


def as_pem():
    form = PrivateFormat.PKCS8
    return private_key().private_bytes(Encoding.PEM, form, NoEncryption()).decode()
