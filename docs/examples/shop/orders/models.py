# orders/models.py
from django.conf import settings
from django.db import models


class Order(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    item = models.CharField(max_length=100)
    amount = models.PositiveIntegerField()
    state = models.CharField(max_length=20, default="placed")

    class Meta:
        permissions = [("ship_order", "Can ship an order")]

    def __str__(self):
        return f"{self.amount} x {self.item}: {self.state}"
