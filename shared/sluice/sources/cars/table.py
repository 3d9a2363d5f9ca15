"""The destination of the cars stream."""

from __future__ import annotations

from sluice.core.records import Column, Table

CARS = Table(
    schema="public",
    name="cars",
    key="car_id",
    columns=(
        Column("external_id", "text"),
        Column("make", "text"),
        Column("model", "text"),
        Column("generation", "text"),
        Column("year", "integer"),
        Column("vin", "text"),
        Column("color", "text"),
        Column("fuel", "text"),
        Column("transmission", "text"),
        Column("body_type", "text"),
        Column("engine", "text"),
        Column("drive_wheel", "text"),
        Column("vehicle_type", "text"),
        Column("cylinders", "integer"),
        Column("price", "numeric"),
        Column("current_bid", "numeric"),
        Column("buy_now_price", "numeric"),
        Column("final_bid", "numeric"),
        Column("lot_number", "text"),
        Column("lot_status", "text"),
        Column("sale_status", "text"),
        Column("sale_date", "timestamptz"),
        Column("odometer_km", "bigint"),
        Column("odometer_mi", "bigint"),
        Column("damage_main", "text"),
        Column("damage_second", "text"),
        Column("keys_available", "boolean"),
        Column("airbags", "text"),
        Column("grade", "text"),
        Column("seller", "text"),
        Column("seller_type", "text"),
        Column("location", "text"),
        Column("insurance", "text"),
        Column("image_url", "text"),
        Column("images_count", "integer"),
    ),
    archives=True,
)
