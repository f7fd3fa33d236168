"""Messages of validation errors: a path and a rule, in terms of JSON."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from mcp_app.protocol.validation_messages import MAX_REASONS, explain


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int = 1
    price: float = 0
    paid: bool = False
    text: Annotated[str, Field(min_length=2)] = "ok"
    items: list[int] = []
    labels: dict[str, str] = {}
    pet: Cat | Dog = Cat(kind="cat", lives=9)
    token: int | str = 1
    size: int | Literal["small", "large"] = "small"
    page: AnyUrl = AnyUrl("https://example.com")
    camel: int = Field(1, alias="camelCase")

    @field_validator("price")
    @classmethod
    def positive(cls, price: float) -> float:
        if price < 0:
            raise ValueError("nobody is paid for an order")
        return price


def explained(given: Any, model: Any = Order, **options: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(model).validate_python(given)
    return explain(caught.value, given, **options)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"number": "x"}, "`number` must be an integer"),
        ({"number": 1.5}, "`number` must be an integer"),
        ({"price": []}, "`price` must be a number"),
        ({"price": -1}, "`price` is invalid: nobody is paid for an order"),
        ({"paid": "perhaps"}, "`paid` must be a boolean"),
        ({"text": "x"}, "`text` must have at least 2 characters"),
        ({"items": {"a": 1}}, "`items` must be an array"),
        ({"items": [1, "x"]}, "`items[1]` must be an integer"),
        ({"labels": []}, "`labels` must be an object"),
        ({"labels": {"a b": 1}}, '`labels["a b"]` must be a string'),
        ({"page": "not one"}, "`page` must be a URL"),
        ({"camelCase": "x"}, "`camelCase` must be an integer"),
        ({"colour": "red"}, "`colour` is unknown"),
        ({"token": None}, "`token` must be an integer or a string"),
        ({"size": "huge"}, "`size` must be an integer or 'small' or 'large'"),
        ({"pet": {"kind": "dog"}}, "`pet.name` is required"),
        ({"pet": {"kind": "cow"}}, "`pet.kind` must be 'cat' or 'dog'"),
        ({"pet": 1}, "`pet` must be an object"),
        (["no object"], "the value must be an object"),
    ],
)
def test_the_path_and_the_rule_are_named(given: Any, message: str) -> None:
    assert explained(given) == message


def test_several_reasons_are_listed_and_many_are_counted() -> None:
    message = explained({"items": ["x"] * (MAX_REASONS + 7)})
    assert message.count("must be an integer") == MAX_REASONS
    assert message.endswith("and 7 more")


def test_the_root_begins_each_path() -> None:
    assert explained({"number": "x"}, root="params") == "`params.number` must be an integer"
    assert explained(1, root="params") == "`params` must be an object"


@pytest.mark.parametrize("given", [{"number": "secret"}, {"text": ["secret"]}, {"pet": "secret"}])
def test_the_value_itself_is_not_repeated_and_no_library_is_named(given: Any) -> None:
    message = explained(given)
    assert "secret" not in message
    assert "pydantic" not in message.lower()
    assert "http" not in message


def test_a_long_key_is_shortened_and_control_characters_are_escaped() -> None:
    assert len(explained({"k" * 100_000: 1})) < 200
    assert "\n" not in explained({"a\nb": 1})
