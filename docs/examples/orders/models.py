from django.conf import settings
from django.db import models


class Order(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    item = models.CharField(max_length=100)
    amount = models.PositiveIntegerField()
    is_refunded = models.BooleanField(default=False)

    class Meta:
        permissions = [("refund_order", "Can refund an order")]

    def __str__(self) -> str:
        return f"{self.amount} x {self.item}"

    def as_markdown(self) -> str:
        state = "refunded" if self.is_refunded else "placed"
        return f"# Order {self.pk}\n\n{self.amount} x {self.item}, {state}\n"

    async def arefund(self) -> None:
        self.is_refunded = True
        await self.asave(update_fields=["is_refunded"])
