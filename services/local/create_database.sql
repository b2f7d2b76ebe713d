create database rasid
