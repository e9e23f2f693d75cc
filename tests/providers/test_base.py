"""What goes to a provider shows neither the key nor what people said."""

from pydantic import SecretStr

from tidegate.core import endpoints
from tidegate.providers.base import Credential, ProviderRequest
from tidegate.providers.target import Target

SECRET = "sk-proj-nobody-may-see-this"


def test_a_credential_shows_its_name_only() -> None:
    credential = Credential(name="main", secret=SecretStr(SECRET), organization="org-1")
    assert repr(credential) == str(credential) == "Credential(main)"
    assert credential.secret is not None
    assert credential.secret.get_secret_value() == SECRET


def test_a_fitted_call_shows_where_it_goes() -> None:
    fitted = ProviderRequest(
        target=Target("openai", "gpt-4o"),
        endpoint=endpoints.CHAT,
        url="https://example.com",
        body=b'{"content": "secret"}',
        stream=False,
    )
    assert repr(fitted) == "ProviderRequest(openai/gpt-4o, chat)"
    assert fitted.adaptations == ()
